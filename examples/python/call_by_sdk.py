"""Calls eGain's API by eGain's Python SDK, with the token that egain-operator keeps in a mounted Secret.

    python3 call_by_sdk.py

EGAIN_TOKEN_DIR is where the Secret is mounted, INTERVAL how many seconds pass between two calls.
"""

import os
import pathlib
import time

from egain_api_python import Egain, errors

TOKEN_DIR = pathlib.Path(os.environ.get("EGAIN_TOKEN_DIR", "/var/run/egain"))


def access_token():
    """Returns the current token. The SDK calls this function for each request."""
    return (TOKEN_DIR / "access_token").read_text()


def call(operation):
    """Runs an operation of the SDK, and repeats it once after a 401. The repetition reads the file again."""
    try:
        return operation()
    except errors.EgainError as error:
        if error.status_code != 401:
            raise
        return operation()


egain = Egain(
    access_token=access_token,
    server_url=(TOKEN_DIR / "api_url").read_text() + "/knowledge/portalmgr/v4",
)

if __name__ == "__main__":
    while True:
        try:
            call(lambda: egain.portal.general.get_all_portals(accept_language="en-US"))
            print(200, flush=True)
        except errors.EgainError as error:
            print(error.status_code, flush=True)
        time.sleep(float(os.environ.get("INTERVAL", "60")))
