import Shepherd

/-!
# The reference interpreter

Reads one request a line and answers one line. It knows no request yet.
-/

partial def answer (stdin stdout : IO.FS.Stream) : IO Unit := do
  let line ← stdin.getLine
  if line.isEmpty then return
  stdout.putStrLn "{\"error\":\"unknown request\"}"
  stdout.flush
  answer stdin stdout

def main : IO Unit := do
  answer (← IO.getStdin) (← IO.getStdout)
