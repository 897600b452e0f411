"""A certificate authority of the tests' own, by openssl."""

import subprocess
from pathlib import Path

from house import Failed


class Authority:
    """Signs certificates; `certificate` is its own one, as a file."""

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder), name
        self.certificate, self.key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", f"/CN={name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, *names, is_expired=False):
        """A server's certificate and key for those names, as files; RSA, which every server takes."""
        request, key, certificate = (self.folder / f"{name}.{kind}" for kind in ("request", "key", "pem"))
        extensions = self.folder / f"{name}.extensions"
        extensions.write_text(f"basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName={','.join(names)}\n")
        openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        if is_expired:
            # Only `openssl ca` takes dates that have passed.
            settings, index = self.folder / f"{name}.settings", self.folder / f"{name}.index"
            index.write_text("")
            settings.write_text(f"[ca]\ndefault_ca=own\n[own]\ndatabase={index}\nrand_serial=yes\ndefault_md=sha256\npolicy=any\n"
                                f"new_certs_dir={self.folder}\n[any]\ncommonName=supplied\n")
            openssl("ca", "-batch", "-notext", "-config", settings, "-cert", self.certificate, "-keyfile", self.key, "-in", request,
                    "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", extensions, "-out", certificate)
        else:
            openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "20",
                    "-extfile", extensions, "-out", certificate)
        return certificate, key


def openssl(*words):
    done = subprocess.run(["openssl", *map(str, words)], text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise Failed(f"openssl {words[0]}: {done.stderr.strip()[-300:]}")
