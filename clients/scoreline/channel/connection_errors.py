"""Explains why a connection failed, and what to do about it.

gRPC reports a refused connection, a certificate that is not trusted and a server without TLS with one status and its
own trace; the texts differ between its versions, so that only their stable parts are searched for.
"""

_CONNECTING = ("failed to connect to all addresses", "connections to all backends failing")

_UNTRUSTED = """the certificate of the server at {target} is not trusted: give the PEM file of its CA, \
TlsOptions(ca=...) or --tls-ca"""
_OTHER_NAME = """the certificate of the server at {target} is for another host name: give the name that it has, \
TlsOptions(server_name=...) or --tls-server-name"""
_CAUSES = (
    (("CERTIFICATE_VERIFY_FAILED",), _UNTRUSTED),
    (("Hostname Verification", "is not in peer certificate"), _OTHER_NAME),
    (("WRONG_VERSION_NUMBER",), "the server at {target} does not use TLS: connect without TLS options"),
    (
        ("Socket closed", "Connection reset"),
        "the server at {target} closes new connections: does it require {needed}?",
    ),
    (("Connection refused",), "no server at {target}: connection refused; start one with `scoreline serve`"),
)
_WITHOUT_TLS = "TLS, TlsOptions(ca=...) or --tls-ca"
_WITH_TLS = "a client certificate, TlsOptions(cert=..., key=...) or --tls-cert and --tls-key"


def explained(text: str, *, target: str, tls: bool) -> str:
    """The text of an UNAVAILABLE status as one line about the server at ``target``."""
    if "errors resolving" in text or "DNS resolution failed" in text:
        return f"there is no host for the address {target!r}: {_last_part(text)}"
    if not any(part in text for part in _CONNECTING):
        return text
    for parts, message in _CAUSES:
        if any(part in text for part in parts):
            return message.format(target=target, needed=_WITH_TLS if tls else _WITHOUT_TLS)
    return f"no server at {target}: {_last_part(text)}"


def _last_part(text: str) -> str:
    return text.rstrip("]").rpartition(": ")[2]
