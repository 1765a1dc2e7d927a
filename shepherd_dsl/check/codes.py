"""The codes of the checker, E100 to E299, with the page that `shepherd explain` prints for each."""

from __future__ import annotations

from shepherd_dsl.syntax.diagnostics import register

# Declarations --------------------------------------------------------------------------------------------------------

NO_TYPE = register("E100", "unknown type", """
A type is named that is neither built in nor declared in this file, in a file it imports, or in the library.

    agent plan(goal: Text) -> Plam        // no type is called `Plam`

Built in are Unit, Bool, Int, Dec, Text, Blob, Path, Command, List[T], Option[T] and Run[T]. Others are declared:

    type Plan = { steps: List[Text] }
""")  # fmt: skip

TYPE_ARGS = register("E101", "a type with the wrong number of types in brackets", """
List, Option and Run take one type; all others take none.

    type Names = List             // List[Text]
    type Age = Int[Text]          // Int
""")  # fmt: skip

TWICE = register("E102", "declared twice", """
A name means one thing in a file: types, effects, agents, parameters, and the labels of a record are declared once.
An operation even means one thing in the whole program, since grants and traces name it.

    type Note = { id: Int, id: Text }
""")  # fmt: skip

TYPE_CYCLE = register("E103", "a type that refers to itself", """
Types are abbreviations and finite, so that every type has a JSON schema and a bound on how deep its values are.

    type Tree = { value: Int, children: List[Tree] }

Keep such data as a list whose items refer to each other by index, or as text.
""")  # fmt: skip

NO_CLASS = register("E110", "an effect without a class", """
Every operation says how its effect can be taken back:

    pure                  nothing to take back
    reversible            its whole effect is in the run's files
    compensable by op     op(answer) makes up for it
    irreversible          it cannot be taken back

    effect mail.send(to: Text, body: Text) -> Unit irreversible
""")  # fmt: skip

BAD_UNDO = register("E111", "a compensation that cannot work", """
`compensable by op` needs an operation that exists and takes exactly one argument: the answer it makes up for.

    effect tracker.comment(issue: Int, text: Text) -> Note  compensable by tracker.retract
    effect tracker.retract(note: Note) -> Unit              irreversible
""")  # fmt: skip

EFFECT_PARAM = register("E112", "a run or an agent handed to the world", """
Operations take and give values. A run belongs to one owner inside the program and means nothing outside.

    effect score.run(run: Run[Exit]) -> Dec pure      // give it the value of the run instead
""")  # fmt: skip

EFFECT_NAME = register("E113", "a reserved operation", """
Operations that begin with `run.` or `inbox.` are the machine's own and cannot be declared again.

    effect run.stop(why: Text) -> Unit irreversible       // choose another family
""")  # fmt: skip

# Bodies --------------------------------------------------------------------------------------------------------------

NO_NAME = register("E120", "unknown name", """
A name is used that is no variable here, no agent this file sees and no primitive. Agents of other files are seen after
`import "file.shep"`.
""")  # fmt: skip

NO_OP = register("E121", "unknown operation", """
An operation is named that nobody declared. Operations of the library are model.chat, shell.run, shell.script,
file.read, file.write, file.remove, file.list, http.request, human.approve, clock.now, clock.sleep, random.int and
text.merge. Others are declared with `effect`. A run is made with `spawn`, never with `do run.spawn`.
""")  # fmt: skip

ARITY = register("E122", "wrong number of arguments", """
A call, an operation, a constructor or a lambda is given more or fewer arguments than it takes.

    do shell.run()                        // shell.run(command: Command)
""")  # fmt: skip

MISMATCH = register("E123", "a type that does not fit", """
A value stands where another type is wanted. Records fit when they have the same fields, variants when every case is
among the wanted ones. Int and Dec do not turn into each other by themselves: use int_dec and dec_int.

    let n: Int = "three"
""")  # fmt: skip

NO_FIELD = register("E124", "no such field", """
A field is read that the value's type does not have. Values of a variant have no fields: take them apart with `match`.

    let exit = do shell.run("pytest -q")
    exit.cod                              // Exit has code and out
""")  # fmt: skip

NOT_CALLABLE = register("E125", "not something to call", """
Only agents, primitives and variables of an agent or function type can be called, spawned or handed on as such. An
agent with type parameters can be called, but is not a value.
""")  # fmt: skip

UNDECIDED = register("E126", "a type that cannot be found", """
Nothing here says which type this is. Write it: `let name: Type = …`, or put the argument that decides it first.
""")  # fmt: skip

OPERATOR = register("E127", "operands that do not go together", """
`+ - * < <= > >=` take numbers, `/ %` integers, `+` also joins two texts or two lists, `< <= > >=` also compare texts,
`and or not` take booleans, `matches` a text and a glob in quotes. `==` wants two sides of one type.
""")  # fmt: skip

NOT_EXHAUSTIVE = register("E128", "a match that misses a case", """
A `match` says what happens in every case. Add the missing one, or `_ => …`. An arm with `when` may not apply, so it
does not count.

    match found { Some(x) => x }          // None is missing
""")  # fmt: skip

UNREACHABLE = register("E129", "an arm that is never reached", """
The arms before this one already take every value it fits. Remove it, or move it up.

    match found { Some(n) => n, Some(0) => 0, None => 1 }      // Some(0) is taken by Some(n)
""")  # fmt: skip

BAD_PATTERN = register("E130", "a pattern that cannot fit", """
The pattern takes apart a value of another type than the one it is given.

    match exit { Some(n) => n, _ => 0 }   // exit is a record, and has no constructors
""")  # fmt: skip

BOUND_TWICE = register("E131", "a pattern that binds a name twice", """
Each name in a pattern stands for one part of the value. Compare with `when a == b` instead.
""")  # fmt: skip

NO_RETURN = register("E132", "a body that may end without a value", """
The agent promises a result, and on some way through its body there is none.

    agent size(path: Path) -> Int grants file.read { if path == "" { return 0 } }
""")  # fmt: skip

MISPLACED = register("E134", "a statement in the wrong place", """
`return` ends an agent, so it stands in statements and not inside a value, a lambda or a test; `pass`, `answer` and
`deny` are verdicts and stand in an `intent` clause of `supervise`; `expect` stands in a test.
""")  # fmt: skip

NOT_PLAIN = register("E136", "a type that a model cannot give", """
What a model answers is read from JSON. Runs, agents, blobs and values of no particular type have no such form.
""")  # fmt: skip

# Grants --------------------------------------------------------------------------------------------------------------

NOT_GRANTED = register("E140", "an operation that is not granted", """
An agent may ask only for what its signature grants. What depends on arguments that are not known here is checked when
the program runs; this one can never be allowed.

    agent tidy() -> Unit grants file.read { do file.remove("old.txt") }
""")  # fmt: skip

ALL = register("E144", "`all` of something that is no agent", """
`all(agent)` stands for the grants of that agent's signature. Two agents cannot each have all of the other's.
""")  # fmt: skip

GRANT_PATTERN = register("E142", "a grant pattern that fits nothing", """
The pattern of a parameter is a literal or `_`: a path glob for Path, words for Command, a glob for Text, one value for
the others.

    grants file.write("src/**"), shell.run("pytest *"), tracker.comment(42, _)
""")  # fmt: skip

NOT_COVERED = register("E143", "a call that needs more than is granted", """
A call runs with the caller's grant, and a spawned run never holds more than the run that spawned it. So whatever the
callee's signature grants has to be granted here too; `all(agent)` says just that.
""")  # fmt: skip

# Runs ----------------------------------------------------------------------------------------------------------------

RUN_LOST = register("E145", "a run that its maker would take with it", """
A run that ends discards the runs it owns, so a spawned agent cannot give one as its result. Call the agent instead,
which makes the run the caller's own; or let it give the run's value.

    agent begin() -> Run[Exit] grants run, shell.run { return spawn work() }

    let worker = spawn begin()            // its value would be a run that is no more
    let worker = begin()                  // in this run: worker is ours
""")  # fmt: skip

# Files ---------------------------------------------------------------------------------------------------------------

NO_IMPORT = register("E150", "a file that cannot be imported", """
The file named by `import` is not there or cannot be read. Paths are relative to the file that imports.
""")  # fmt: skip

IMPORT_CYCLE = register("E151", "files that import each other in a circle", """
A file that imports another, which imports the first, has no order in which to be read. Move what both need into a
third file.
""")  # fmt: skip

IMPORT_PATH = register("E152", "an import that leaves the project", """
An import is a relative path with `/` between folders that ends in `.shep` and stays inside the project: the nearest
folder above the program that has a `.shepherd` or `.git` in it, or else the program's own folder.
""")  # fmt: skip

IMPORT_CLASH = register("E153", "two imports of the same name", """
Two imported files declare the same name, or this file declares a name that it also imports. Names of the standard
library may be declared again; the new one counts.
""")  # fmt: skip

# Agents that are performed or specialised ----------------------------------------------------------------------------

LAMBDA_PLACE = register("E160", "a lambda where none can be", """
A lambda is given to a call whose parameter has a function type. It is not kept in data, not returned and not given to
`spawn`: what runs is first-order, so that a run is data.
""")  # fmt: skip

PERFORMED = register("E161", "an agent that a model cannot perform", """
An agent without a body is performed by a model. Its text in three quotes is the instruction, its parameters are the
context, its grants the tools, its result type the schema of the answer; all of these have to be writable as JSON.

    agent summarise(text: Text) -> { title: Text } grants file.read
      \"\"\"Give the text a title. Read files if they help.\"\"\"
""")  # fmt: skip

# Tests ---------------------------------------------------------------------------------------------------------------

SCRIPT = register("E170", "a script line that answers nothing", """
A line of a script names an operation of a handler, patterns as in grants, and answers that are written out: literals,
records, lists and variants of them. Operations on runs are the machine's and are not scripted.
""")  # fmt: skip

HANDLES = register("E171", "not one of the supervised runs", """
`in r` names one of the runs after `supervise`, by the variable that was written there.
""")  # fmt: skip
