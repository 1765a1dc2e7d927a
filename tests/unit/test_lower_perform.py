"""Agents without a body: what the model is told, offered and held to."""

from __future__ import annotations

import json

from shepherd_dsl.core.event import Denied, Intent, Outcome
from shepherd_dsl.core.machine import start
from shepherd_dsl.core.oracle import Query, run_to_end
from shepherd_dsl.core.run import Commit, Done, Failed
from shepherd_dsl.core.value import Con, Record, Value, ok, record
from shepherd_dsl.lower import AgentInfo
from shepherd_dsl.testing.scripted import scripted_files
from tests.support.programs import lowered, passes

SOURCE = '''
effect tracker.comment(issue: Int, text: Text) -> { id: Int } irreversible "Comment on an issue."

agent triage(report: Text, issues: List[Int]) -> { issue: Int, sure: Bool }
  grants tracker.comment at most 1, file.read("docs/**"), run
  """
  Find the issue that the report is about.
  """
'''


def reply(text: str = "", *calls: tuple[str, str]) -> Record:
    """A model's reply."""
    usage = record(input=1, cached=0, output=1)
    named = tuple(record(name=name, args=args) for name, args in calls)
    return record(text=text, calls=named, stop="end", usage=usage, model="m", retries=())


def play(
    replies: list[Record], *, args: tuple[Value, ...] = ("it broke", (1, 2))
) -> tuple[list[Record], object, Commit]:
    """The requests a model got, the end of the run, and its trace."""
    program = lowered(SOURCE)
    info: AgentInfo = program.agents["triage"]
    requests: list[Record] = []

    def oracle(query: Query) -> tuple[Con, tuple[()]]:
        if query.op == "model.chat":
            request = query.args[0]
            assert isinstance(request, Record)
            requests.append(request)
            return ok(replies[len(requests) - 1]), ()
        return ok(record(id=7)), ()

    files, blobs = scripted_files([])
    m = start(program.program, info.name, ("it broke", (1, 2)), info.request, files, read_blob=blobs.__getitem__)
    m = run_to_end(m, oracle)
    run = m.runs["root"]
    assert run.trace is not None
    return requests, run.code, run.trace


def texts(value: Value | None) -> list[Con]:
    """The messages of a request."""
    assert isinstance(value, tuple)
    return [item for item in value if isinstance(item, Con)]


def test_what_a_model_is_told_and_offered() -> None:
    (request,), end, _ = play([reply('{"issue": 2, "sure": true}')])
    assert isinstance(end, Done)
    assert end.value == record(issue=2, sure=True)
    assert texts(request.get("messages")) == [Con("User", ("report:\nit broke\n\nissues:\n[1,2]",))]
    system = request.get("system")
    assert isinstance(system, str)
    assert system.startswith("Find the issue that the report is about.")
    assert '"sure"' in system
    tools = request.get("tools")
    assert isinstance(tools, tuple)
    assert [tool.get("name") for tool in tools if isinstance(tool, Record)] == ["tracker.comment", "file.read"]
    schemas = [json.loads(str(tool.get("schema"))) for tool in tools if isinstance(tool, Record)]
    assert schemas[0]["properties"] == {"issue": {"type": "integer"}, "text": {"type": "string"}}
    assert schemas[0]["required"] == ["issue", "text"]
    about = [tool.get("about") for tool in tools if isinstance(tool, Record)]
    assert about[0] == "Comment on an issue. Allowed: tracker.comment at most 1."


def test_results_go_back_in_the_order_of_the_calls_and_errors_as_text() -> None:
    requests, end, trace = play(
        [
            reply(
                "Let me see.",
                ("tracker.comment", '{"issue": 1, "text": "hm"}'),
                ("tracker.comment", '{"issue": "1", "text": "hm"}'),
                ("tracker.comment", "{"),
                ("tracker.comment", '{"issue": 1, "text": "again"}'),
                ("file.read", '{"path": "docs/none.md"}'),
                ("shell.run", '{"command": "ls"}'),
            ),
            reply('{"issue": 1, "sure": false}'),
        ]
    )
    assert isinstance(end, Done)
    said, *results = texts(requests[1].get("messages"))[1:]
    assert said.name == "Said"
    assert said.args[0] == "Let me see."
    shown = [str(result.args[1]) for result in results]
    assert [result.args[0] for result in results] == ["tracker.comment"] * 4 + ["file.read", "shell.run"]
    assert shown[0] == '{"id":7}'
    assert shown[1].startswith("error (arguments): ")
    assert "issue" in shown[1]
    assert shown[2].startswith("error (arguments): they are not JSON")
    assert shown[3].startswith("error (denied): ")
    assert shown[4].startswith("error (not_found): ")
    assert shown[5] == "error (tool): there is no tool shell.run"
    events = []
    at: Commit | None = trace
    while at is not None:
        events.append(at.event)
        at = at.parent
    asked = [event.op for event in reversed(events) if isinstance(event, Intent) and event.op != "inbox.take"]
    assert asked == ["model.chat", "tracker.comment", "file.read", "model.chat"]
    assert sum(isinstance(event, Denied) for event in events) == 1
    assert sum(isinstance(event, Outcome) for event in events) == len([e for e in events if isinstance(e, Intent)])


def test_an_answer_that_does_not_fit_is_repaired_a_bounded_number_of_times() -> None:
    requests, end, _ = play([reply("I think it is 2.")] * 3)
    assert isinstance(end, Failed)
    assert len(requests) == 3
    assert [request.get("schema") == Con("None") for request in requests] == [True, False, False]
    said = texts(requests[2].get("messages"))
    assert [message.name for message in said] == ["User", "Said", "User", "Said", "User"]
    assert "it is not JSON" in str(said[-1].args[0])
    requests, end, _ = play([reply('{"issue": 2}'), reply('{"issue": 2, "sure": true}')])
    assert isinstance(end, Done)
    assert "sure" in str(texts(requests[1].get("messages"))[-1].args[0])


def test_a_model_that_never_answers_is_stopped() -> None:
    again = reply("", ("file.read", '{"path": "docs/none.md"}'))
    requests, end, _ = play([again] * 101)
    assert isinstance(end, Failed)
    assert len(requests) == 100


def test_requests_share_their_beginning() -> None:
    requests, _, _ = play([reply("", ("file.read", '{"path": "docs/x"}')), reply('{"issue": 1, "sure": true}')])
    first, second = (texts(request.get("messages")) for request in requests)
    assert second[: len(first)] == first
    assert requests[0].get("system") == requests[1].get("system")
    assert requests[0].get("tools") == requests[1].get("tools")


def test_a_performed_agent_can_be_called_spawned_and_supervised() -> None:
    passes(
        """
agent poet(topic: Text) -> Text "Write one line."
agent caller() -> Text grants all(poet) { return poet("tea") }
agent watched() -> Text grants run, all(poet) {
  let worker = spawn poet("tea")
  supervise worker { intent model.chat(_) => answer { text: "watched", calls: [], stop: "end",
    usage: { input: 0, cached: 0, output: 0 }, model: "none", retries: [] } }
  return await worker
}
test "both" with { model.chat(_) -> "a line" } {
  expect caller() == "a line"
  expect watched() == "watched"
}
"""
    )
