"""Runs MiniStack until standard input ends: with the test program that holds the other end, however it ends."""

import os
import sys
import threading


def end_with_the_tests():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=end_with_the_tests, daemon=True).start()
sys.argv = ["ministack"]

from ministack.app import main  # noqa: E402

main()
