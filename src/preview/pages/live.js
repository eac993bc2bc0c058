// Reloads the page after a build, swaps style sheets in place, and shows what is wrong with the
// sources. Served by `qdn preview` alone; a published page has no line of it.

const release = new URL(import.meta.url).searchParams.get("release");
let overlay;

function show({ text, title: heading, note: below }) {
  hide();
  overlay = document.createElement("div");
  const root = overlay.attachShadow({ mode: "open" });
  // A sheet made by script needs no leave of a Content-Security-Policy without 'unsafe-inline'.
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`
    :host { position: fixed; inset: 0; z-index: 2147483647; overflow: auto; background: #14110fe8; color: #f3eee8; }
    main { box-sizing: border-box; max-width: 72rem; margin: 0 auto; padding: 2rem 1rem; font: 14px/1.55 ui-monospace, monospace; }
    h1 { font-size: 16px; margin: 0 0 1rem; color: #ff9d85; }
    pre { margin: 0; white-space: pre; overflow-x: auto; tab-size: 4; }
    p { color: #b9afa5; margin: 1.5rem 0 0; }
    button { float: right; font: inherit; color: inherit; background: none; border: 1px solid currentColor; border-radius: 4px; padding: .35rem .75rem; }
    button:focus-visible { outline: 3px solid #8ec5ff; outline-offset: 2px; }
  `);
  root.adoptedStyleSheets = [sheet];
  const main = document.createElement("main");
  main.setAttribute("role", "alertdialog");
  main.setAttribute("aria-label", heading);
  const close = Object.assign(document.createElement("button"), { textContent: "Hide", onclick: hide });
  const title = Object.assign(document.createElement("h1"), { textContent: heading });
  const frame = Object.assign(document.createElement("pre"), { textContent: text });
  const note = Object.assign(document.createElement("p"), { textContent: below });
  main.append(close, title, frame, note);
  root.append(main);
  document.documentElement.append(overlay);
}

function hide() {
  overlay?.remove();
  overlay = undefined;
}

function swap(sheets) {
  for (const link of document.querySelectorAll('link[rel~="stylesheet"]')) {
    const to = sheets[new URL(link.href).pathname];
    if (!to) continue;
    const next = link.cloneNode();
    next.removeAttribute("integrity");
    next.href = to;
    // The old sheet goes when the new one is there, so that the page is never bare.
    next.onload = () => link.remove();
    link.after(next);
  }
}

const events = new EventSource("/_qdn/events");
events.onmessage = ({ data }) => {
  const message = JSON.parse(data);
  switch (message.kind) {
    case "hello":
      // After a restart, for a page that lay in the back-forward cache, or one that had nothing to show, there may be another release.
      if (message.release && message.release !== release) return location.reload();
      if (message.problems) show(message.problems);
      break;
    case "problems":
      show(message);
      break;
    case "solved":
      hide();
      break;
    case "css":
      hide();
      swap(message.sheets);
      break;
    case "reload":
      location.reload();
      break;
  }
};
