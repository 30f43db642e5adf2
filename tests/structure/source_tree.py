"""The project's files as the gates see them."""

import os
import pathlib
import re

SKIPPED_DIRECTORIES = re.compile(r"^(\.git|\.cache|build(-.*)?|__pycache__)$")
CPP = (".h", ".cc", ".c")

# Comments and literals of C++ and C: what a gate on code must not see.
_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<mark>[^\s()\\]{0,16})\(.*?\)(?P=mark)"'
    r"|\"(?:\\.|[^\"\\\n])*\"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+'",
    re.DOTALL)


def _blank(match):
    return re.sub(r"[^\n]", " ", match.group())


class Tree:
    """Paths are relative to the root, with '/'."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.files = []
        for directory, names, files in os.walk(self.root):
            names[:] = [n for n in names if not SKIPPED_DIRECTORIES.match(n)]
            for name in files:
                path = pathlib.Path(directory, name)
                if path.is_file() and not path.is_symlink():
                    self.files.append(path.relative_to(self.root).as_posix())
        self.files.sort()
        self._text = {}

    def text(self, path):
        if path not in self._text:
            self._text[path] = (self.root / path).read_text(errors="replace")
        return self._text[path]

    def lines(self, path):
        return self.text(path).split("\n")

    def code(self, path):
        """The lines of a C++ file without comments and literals; #include lines
        are whole."""
        blanked = _TOKEN.sub(_blank, self.text(path)).split("\n")
        return [line if re.match(r"\s*#\s*include", line) else code
                for line, code in zip(self.lines(path), blanked)]

    def cpp(self, *directories):
        """The C++ and C sources below the directories, or everywhere."""
        return [path for path in self.files if path.endswith(CPP) and
                (not directories or path.startswith(tuple(d + "/" for d in directories)))]

    def includes(self, path):
        """(line number, what is included)."""
        for number, line in enumerate(self.code(path), 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^">]+)[">]', line)
            if match:
                yield number, match.group(1)

    def is_executable(self, path):
        return os.access(self.root / path, os.X_OK)
