import Shepherd.FilesHash
import Shepherd.Match

/-!
# Operations on files

`file.*`, answered by the machine at the outermost level from the files of the run that asked (`spec/contract.md`, "Operations
on runs"; `core/file_ops.py`). A symbolic link is never followed: what it names may lie outside the scope.
-/

namespace Shepherd

/-- What is known of the bytes of a content: a text, whose UTF-8 they are, or only their number. Of bytes that are not UTF-8
only the number matters, and so it does beyond `FileOps.maxRead`. -/
inductive Content where
  | text (s : String)
  | bytes (size : Nat)
  deriving Repr, DecidableEq, Inhabited

/-- The number of bytes of a content. -/
def Content.size : Content → Nat
  | .text s => s.utf8ByteSize
  | .bytes size => size

namespace FileOps

/-- The operations that the machine answers. -/
def names : List String := ["file.read", "file.write", "file.remove", "file.list"]

/-- Whether an operation is answered by the machine from the files of the run that asked. -/
def isFileOp (op : String) : Bool := names.contains op

/-- Whether an entry is a real one: a file or a symbolic link with a hash, or an empty folder. -/
def goodEntry (e : Entry) : Bool :=
  e == Entry.emptyFolder || ((e.mode / 4096 == 8 || e.mode == 0o120000) && e.hash.length == 40)

/-- Bytes of the largest file that `file.read` gives as a text. -/
def maxRead : Nat := 4194304

/-- The folder of the workspace that never enters a trace. -/
def state : String := ".shepherd"

/-- Whether a component is `.shepherd` in any letter case, `ſ` being an `s`. -/
def isState (component : String) : Bool :=
  component.toList.map (fun c => if c = 'ſ' then 's' else c.toLower) = state.toList

/-- The first `n` characters of a text. -/
def takeChars (n : Nat) (s : String) : String :=
  if s.length ≤ n then s else (s.toList.take n).foldl String.push ""

/-- The paths above a path, from the top. -/
def above (path : String) : List String :=
  let parts := path.splitOn "/"
  (List.range (parts.length - 1)).map fun i => "/".intercalate (parts.take (i + 1))

/-- The error where something above `path` is no folder: the first such thing, from the top. -/
def blocked (files : Files) (path : String) : Option Value :=
  (above path).findSome? fun p => match files.get p with
    | none => none
    | some e =>
      if e = Entry.emptyFolder then none
      else if e.mode = Files.link then some (.err "link" s!"{p} is a symbolic link, which is not followed")
      else some (.err "not_folder" s!"{p} is a file")

/-- `file.read`: the text at `path`. -/
def read (files : Files) (readBlob : String → Option Content) (path : String) : Value :=
  match blocked files path with
  | some error => error
  | none =>
    if files.isFolder path then .err "is_folder" s!"{path} is a folder"
    else match files.get path with
      | none => .err "not_found" s!"no file {path}"
      | some e =>
        if e.mode = Files.link then .err "link" s!"{path} is a symbolic link, which is not followed"
        else match readBlob e.hash with
          | none => .err "not_found" s!"the content of {path} is not known here"
          | some content =>
            if content.size > maxRead then
              .err "too_large" s!"{path} has {content.size} bytes; a text has at most {maxRead}"
            else match content with
              | .text s => .ok (.text s)
              | .bytes _ => .err "not_text" s!"{path} is not UTF-8 text"

/-- The name of what `file.write` may write. -/
def contentHash : Value → Option String
  | .text s => some (gitBlobHash s)
  | .blob hash _ => some hash
  | _ => none

/-- `file.write`: `content` at `path`, keeping the mode of a file that is there. -/
def write (files : Files) (path : String) (content : Value) : Value × Change :=
  match contentHash content with
  | none => (.err "type" "`file.write` takes a text or a blob", [])
  | some hash => match blocked files path with
    | some error => (error, [])
    | none =>
      if files.isFolder path then (.err "is_folder" s!"{path} is a folder", [])
      else match files.get path with
        | none => (.ok .unit, [(path, some ⟨Files.plain, hash⟩)])
        | some e =>
          if e.mode = Files.link then (.err "link" s!"{path} is a symbolic link, which is not followed", [])
          else if e.hash = hash then (.ok .unit, [])
          else (.ok .unit, [(path, some ⟨e.mode, hash⟩)])

/-- `file.remove`: no file, link or empty folder at `path` any more. -/
def remove (files : Files) (path : String) : Value × Change :=
  match blocked files path with
  | some error => (error, [])
  | none => match files.get path with
    | some _ => (.ok .unit, [(path, none)])
    | none =>
      if files.isFolder path then (.err "is_folder" s!"{path} is a folder that holds files", [])
      else (.err "not_found" s!"no file {path}", [])

/-- `file.list`: the paths of files and links that match a glob, in order. -/
def list (files : Files) (glob : String) : Value :=
  .ok (.list (files.filterMap fun x =>
    if x.2 ≠ Entry.emptyFolder && matchPath x.1 glob then some (.text x.1) else none))

/-- An operation whose first argument is the text `given` and whose others are `rest`. -/
def atPath (files : Files) (readBlob : String → Option Content) (op given : String) (rest : List Value) :
    Value × Change :=
  match normalPath given with
  | none => (.err "path" s!"not a normal relative path: {takeChars 200 given}", [])
  | some path =>
    if isState ((path.splitOn "/").headD "") then
      (.err "path" s!"{state}/ holds the traces and is in no run's files", [])
    else match op, rest with
      | "file.read", [] => (read files readBlob path, [])
      | "file.remove", [] => remove files path
      | "file.write", [content] => write files path content
      | _, _ => (.err "type" s!"`{op}` got arguments it does not take", [])

/-- The answer to a file operation on `files`, and its change to them. `readBlob` says what is known of the content with a
hash. -/
def perform (files : Files) (readBlob : String → Option Content) (op : String) (args : List Value) : Value × Change :=
  match op, args with
  | "file.list", [.text glob] => (list files glob, [])
  | _, .text given :: rest => atPath files readBlob op given rest
  | _, _ => (.err "type" s!"`{op}` takes a path", [])

end FileOps

end Shepherd
