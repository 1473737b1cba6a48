"""The certificate of the console, looked at before anybody connects."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from edgevla.console.errors import CertificateRefused

if TYPE_CHECKING:
    from pathlib import Path

_DATES = {9, 10}  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_ROUNDS = 10


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A TLS context for the server, TLS 1.2 or newer.

    Raises:
        CertificateRefused: a file is missing, unreadable or no PEM, the two do not belong together, the key has a
            password, or the certificate is not valid now.
    """
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        try:
            path.open("rb").close()
        except OSError as error:
            raise CertificateRefused(f"{option} {path}: {error.strerror}", fix="name a readable PEM file") from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    asked = False

    def no_password() -> str:  # without it OpenSSL would ask at the terminal
        nonlocal asked
        asked = True
        return ""

    try:
        context.load_cert_chain(certificate, key, no_password)
    except OSError as error:
        if asked:
            fix = "write one without: openssl pkey -in KEY -out NEW_KEY"
            raise CertificateRefused(
                f"--tls-key {key} has a password, and nobody is there to type it", fix=fix
            ) from None
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            message = f"--tls-key {key} is not the key of --tls-cert {certificate}"
            raise CertificateRefused(message, fix="name the two that belong together") from None
        why = getattr(error, "reason", None) or error
        message = f"--tls-cert {certificate}, --tls-key {key}: no certificate and key in PEM form ({why})"
        raise CertificateRefused(
            message, fix="see what is in them: openssl x509 -in CERT, openssl pkey -in KEY"
        ) from None
    _check_dates(context, certificate)
    return context


def _check_dates(server: ssl.SSLContext, certificate: Path) -> None:
    """Shake hands with ourselves in memory, trusting exactly this certificate: OpenSSL then judges its dates.

    Raises:
        CertificateRefused: it is not valid now. What else a browser may not like about it is not looked at.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
    for _ in range(_ROUNDS):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code in _DATES:
                    fix = "renew it, or set the clock of this machine"
                    raise CertificateRefused(f"--tls-cert {certificate}: {error.verify_message}", fix=fix) from None
                return
