"""TLS as a client: which authority is believed, and the certificate that this side shows."""

import ssl


def client_context(
    *, authority: str = "", certificate: str = "", key: str = "", key_password: str = ""
) -> ssl.SSLContext:
    """Returns a context that verifies the server and its name.

    `authority` is a file of PEM certificates; empty: those of the system. `certificate` and `key` are PEM files of this
    side, or empty. Raises OSError (`ssl.SSLError` among them) or ValueError if a file can't be used.
    """
    context = ssl.create_default_context(cafile=authority or None)
    if certificate:
        # Without a password given, OpenSSL would ask for it at the terminal.
        context.load_cert_chain(certificate, key or None, password=lambda: key_password)
    return context


def certificate_problem(error: OSError | ValueError) -> str:
    """Returns why a file of certificates or keys can't be used, in words for an operator, on one line."""
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "").replace("_", " ").lower()
        if "mismatch" in reason:
            return "the key is not that of the certificate"
        return f"no PEM file of the kind that is needed, or a wrong password{f' ({reason})' if reason else ''}"
    if isinstance(error, OSError):
        return f"{error.filename or 'the file'}: {error.strerror}" if error.strerror else "it can't be read"
    return "no PEM file of the kind that is needed"
