// Runs `other_python.py` with the CPython that the npm package `pyodide` holds: another version, on another machine
// (WebAssembly). Arguments: the folder of that package, and the folder of Python packages that attrs is taken from.
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { pathToFileURL } from "node:url"

const [folder, packages] = process.argv.slice(2)
const { loadPyodide } = await import(pathToFileURL(resolve(folder, "pyodide.mjs")))
const stage = mkdtempSync(join(tmpdir(), "shepherd-python-"))
try {
  for (const name of ["shepherd_dsl", "tests", "examples", "tools"])
    cpSync(name, join(stage, name), { recursive: true, filter: (path) => !path.endsWith("__pycache__") })
  for (const name of ["attr", "attrs"]) cpSync(join(packages, name), join(stage, name), { recursive: true })
  const python = await loadPyodide({ indexURL: resolve(folder) + "/" })
  python.FS.mkdir("/project")
  python.FS.mount(python.FS.filesystems.NODEFS, { root: stage }, "/project")
  python.FS.chdir("/project")
  python.runPython(readFileSync("tools/other_python.py", "utf8"))
} finally {
  rmSync(stage, { recursive: true })
}
