const form = document.querySelector("form");
const status = document.querySelector("#status");
const part = (id) => document.getElementById(id);

function rows(list, entries) {
  list.replaceChildren(
    ...entries.flatMap(([name, value]) => [
      Object.assign(document.createElement("dt"), { textContent: name }),
      Object.assign(document.createElement("dd"), { textContent: value }),
    ]),
  );
}

async function inspect() {
  const query = new URLSearchParams(new FormData(form));
  history.replaceState(null, "", `?${query}`);
  let found;
  try {
    const response = await fetch(`/_qdn/route?${query}`);
    found = await response.json();
  } catch {
    status.textContent = "Preview cannot be reached.";
    return;
  }
  if (found.error) {
    status.textContent = found.error;
    return;
  }
  const { function: run, viewer_response: after, answer, cache } = found;
  status.textContent = `${answer.status} for ${found.request.path}`;
  rows(part("function"), run
    ? [
        ["Result", run.error ? `${run.error.kind}: ${run.error.message}` : run.result?.response ? "a response of its own" : "the request goes on"],
        ["Utilization", `${run.utilization} of 100 (an estimate)`],
      ]
    : [["Result", "no function runs for this path"]]);
  if (after) {
    const did = after.error ? `${after.error.kind}: ${after.error.message}` : `status ${after.result.response.statusCode}`;
    part("function").append(
      Object.assign(document.createElement("dt"), { textContent: "Viewer response" }),
      Object.assign(document.createElement("dd"), { textContent: `${did}, utilization ${after.utilization} of 100` }),
    );
  }
  part("returned").textContent = run ? JSON.stringify(run.result, null, 2) : "–";
  const logs = [...(run?.logs ?? []), ...(after?.logs ?? [])];
  part("logs").textContent = logs.length ? logs.join("\n") : "–";
  rows(part("answer"), [
    ["Status", String(answer.status)],
    ["Object", answer.object ?? "none"],
    ["Bytes", String(answer.bytes)],
    ...(cache ? [["Edge cache", cache.age === null ? cache.from : `${cache.from}, ${cache.age} s old`]] : []),
  ]);
  part("headers").replaceChildren(
    ...answer.headers.map(([name, value]) => {
      const row = document.createElement("tr");
      for (const text of [name, value]) row.append(Object.assign(document.createElement("td"), { textContent: text }));
      return row;
    }),
  );
  part("result").hidden = false;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  inspect();
});

const asked = new URLSearchParams(location.search);
if (asked.has("url")) {
  form.url.value = asked.get("url");
  if (asked.has("method")) form.method.value = asked.get("method");
  inspect();
}
