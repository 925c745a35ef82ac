"""Stands in for eGain's Python SDK, which no registry of these tests has. It has the arguments, operations and errors that
examples/python/call_by_sdk.py uses, calls access_token for each request as the SDK does, and does not repeat a 401 either."""

import types
import urllib.error
import urllib.request


class EgainError(Exception):
    def __init__(self, status_code):
        super().__init__("API error occurred")
        self.status_code = status_code


errors = types.SimpleNamespace(EgainError=EgainError)


class Egain:
    def __init__(self, *, access_token, server_url):
        def get_all_portals(*, accept_language):
            request = urllib.request.Request(
                server_url + "/portals",
                headers={"Authorization": "Bearer " + access_token(), "Accept-Language": accept_language},
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as response:
                    return response.read()
            except urllib.error.HTTPError as error:
                raise EgainError(error.code) from error

        self.portal = types.SimpleNamespace(general=types.SimpleNamespace(get_all_portals=get_all_portals))
