import Shepherd.Laws.TransparentSupervision.Launches

/-!
# Theorem 11

An owner that only passes changes nothing for what it drives.
-/

namespace Shepherd

open Id (MayOwn Over key Prec)

namespace Supervision

open M

/-- All runs but the world, the root run, and those that the root run makes after `made` others; `w` may be owned otherwise. -/
def besides (made : Nat) (w : Id) : Field where
  mark := fun
    | .world => false
    | .root => false
    | .made .root n => decide (n < made)
    | _ => true
  lone := w

/-- The root run, which the world drives, is about to await the run `w`, which it owns, through a supervisor for each of `names`: its next local step is
the first one of `await (spawn sup(… spawn sup(e)))`, where the value of `e` is a handle to `w`, and at most 5 local steps came since its
last event. The program has the agents to which `await` is lowered, and allows 12 local steps between two events; and what the root run
was granted lets it spawn, drive and pass as often as it likes, with no limited clause about any of these. -/
structure Before (m : M) (w : Id) {P : Program} (sup : Supervisor P) (names : List (String × String)) : Prop where
  program : m.program = P
  lowered : Await.LoweredIn P
  stack : m.stack = [.root, .world]
  code : ∃ ρ e h K k, (m.run .root).code = .settled (.running (Await.supervised sup.name sup.request names e) ρ K k) ∧ k ≤ 5 ∧
    evalAll ρ [e] = .ok [.run h] ∧ (m.run .root).handles[h]? = some w
  owns : m.owns .root w = true
  grant : ∀ op ∈ ["run.spawn", "run.next", "run.pass"], ∀ l ∈ (m.run .root).grant, Free op l.clauses

/-- The run `w` and all that may come to stand below it are the same in both trees: the same runs, with the same events, files, messages,
handles and code (a run that ended has the same result), and but for `w` itself with the same owners. -/
structure Unchanged (w : Id) (m m' : M) : Prop where
  family : m'.family w = m.family w
  has : ∀ x, Over w x → m'.has x = m.has x
  events : ∀ x, Over w x → (m'.run x).trace.events = (m.run x).trace.events
  files : ∀ x, Over w x → (m'.run x).files = (m.run x).files
  inbox : ∀ x, Over w x → (m'.run x).inbox = (m.run x).inbox
  handles : ∀ x, Over w x → (m'.run x).handles = (m.run x).handles
  made : ∀ x, Over w x → (m'.run x).made = (m.run x).made
  code : ∀ x, Over w x → Code.Like (m.run x).code (m'.run x).code
  owner : ∀ x, Over w x → x ≠ w → (m'.run x).owner = (m.run x).owner ∧ (m'.run x).givers = (m.run x).givers

/-- The run `w` is at a stop at which it asks for nothing, and is active: who awaits it is told so next. -/
structure AtEnd (w : Id) (m : M) : Prop where
  active : ∃ rest, m.stack = w :: rest
  stops : m.Stops w
  asks : m.shown w = none

theorem over_made_root {w : Id} {n N : Nat} (own : MayOwn .root w) (stamped : ∀ j, w = .made .root j → j < N)
    (stamped' : ∀ j x, w = .copy (.made .root j) x → j < N) (h : Over w (.made .root n)) : n < N := by
  have parts := own.parts
  have prec := h.prec
  rcases prec with e | prec
  · exact stamped n e
  · rcases parts with ⟨p, a, b, s, t, hr, hw, beats⟩ | ⟨e, _⟩ | ⟨j, rfl⟩ | ⟨j, x, rfl⟩
    · cases p with
      | nil =>
        simp only [key, List.nil_append, List.cons.injEq] at hr
        unfold Id.Beats at beats
        omega
      | cons q p =>
        simp only [key, List.cons_append, List.cons.injEq] at hr
        have := congrArg List.length hr.2
        simp only [List.length_nil, List.length_append, List.length_cons] at this
        omega
    · cases e
    · have l := stamped j rfl
      simp only [key, List.cons_append, List.nil_append] at prec
      rcases prec with b | ⟨_, b | ⟨_, b⟩⟩
      · unfold Id.Beats at b; omega
      · unfold Id.Beats at b; omega
      · exact b.elim
    · have l := stamped' j x rfl
      simp only [key, List.cons_append, List.nil_append] at prec
      rcases prec with b | ⟨_, b | ⟨e, _⟩⟩
      · unfold Id.Beats at b; omega
      · unfold Id.Beats at b; omega
      · omega

theorem marks_besides {w : Id} {N : Nat} (own : MayOwn .root w) (stamped : ∀ j, w = .made .root j → j < N)
    (stamped' : ∀ j x, w = .copy (.made .root j) x → j < N) : Marks (besides N w) w := by
  refine ⟨⟨fun _ _ => rfl, fun a n h => ?_⟩, fun x h => ?_, rfl, rfl⟩
  · cases a with
    | root => cases h
    | world => cases h
    | _ => rfl
  · cases x with
    | world =>
      rw [over_world h] at own
      exact own.prec.elim
    | root => exact absurd h own.acyclic
    | copy => rfl
    | made a n =>
      cases a with
      | root => exact decide_eq_true (over_made_root own stamped stamped' h)
      | _ => rfl

theorem unchanged {G : Field} {w : Id} {m m' : M} (marks : Marks G w) (k : Alike G m m') : Unchanged w m m' :=
  have k := k.choose_spec
  { family := k.family (marks.family w (.refl w))
    has := fun x h => k.has (marks.family x h)
    events := fun x h => by rw [k.trace (marks.family x h), Trace.events_at]
    files := fun x h => k.files (marks.family x h)
    inbox := fun x h => k.inbox (marks.family x h)
    handles := fun x h => k.handles (marks.family x h)
    made := fun x h => k.made (marks.family x h)
    code := fun x h => k.code (marks.family x h)
    owner := fun x h ne => (k.owner x (marks.family x h)).resolve_right fun o => ne (o.1.trans marks.lone) }

/-- From where a run is about to be awaited to where it is: the tree goes there by itself, beside the marked runs. -/
theorem Before.awaited {ω : Oracle} {m : M} {w : Id} {P : Program} {sup : Supervisor P} {names : List (String × String)} (t : Before m w sup names)
    (reached : ∃ i : Init, After ω i.start m) : ∃ n os, Path (besides (m.run .root).made w) m n ∧
      Awaited ω (besides (m.run .root).made w) w os n ∧ n.stack = w :: idsOf os ++ [.world] ∧ os.length = names.length + 1 ∧
      Marks (besides (m.run .root).made w) w := by
  have s : Sound m := reached.choose_spec.sound
  have own := s.bound.tied.owns t.owns
  have st := s.wf.fresh w (has_of_owns t.owns)
  have marks : Marks (besides (m.run .root).made w) w :=
    marks_besides own (fun j e => by rw [e] at st; exact st) fun j x e => by rw [e] at st; exact st
  obtain ⟨ρ, e, h, K, k, code, hk, he, hh⟩ := t.code
  have about : AboutTo (besides (m.run .root).made w) m .root K w sup names h :=
    { program := t.program, sound := s, low := t.program ▸ t.lowered, out := rfl
      later := fun j hj => decide_eq_false (Nat.not_lt.mpr hj), notWorld := nofun, stack := t.stack, code := ⟨ρ, e, k, code, he, hk⟩
      handle := hh, owns := t.owns
      grant := fun l hl => ⟨t.grant _ (by decide) l hl, t.grant _ (by decide) l hl⟩, spawns := t.grant _ (by decide) }
  obtain ⟨n, os, p, stack, chain, drives, nodup, len⟩ := launch ω names (os := []) about
    ⟨trivial, fun _ h => absurd h List.not_mem_nil, List.nodup_nil, List.not_mem_nil, own.ne.symm⟩ ⟨marks.family w (.refl w), rfl⟩
  obtain ⟨i, r⟩ := reached
  exact ⟨n, os, p, ⟨⟨i, r.trans p.after⟩, p.beside.program ▸ t.program ▸ t.lowered, (fun e => by rw [e] at len; cases len),
    nodup, chain, drives⟩, stack, (by rw [len, List.length_nil]; omega), marks⟩

end Supervision

open Supervision in
/-- Replacing `await w` by `await (spawn sup(w))`, sup only passing, w already spawned, leaves trace, files and result of w and all below
unchanged; to any depth (the asker being the root run, and what supervisors ask neither limited nor counted).

Two trees of the same program, each of which can be reached, agree on all runs but the root run (`M.Alike`: the other runs are the same,
but for the places of their events in the log, and hold no handle to the root run; the outermost owner has done nothing of its own;
the root run has made as many runs in both). The one is about to do `await (spawn sup(… spawn sup(w)))` with any number of supervisors, the other with any other number: with none, `await w`
itself (`Supervision.Before`). The outside answers by the oracle `ω`, and does nothing of its own. Then whatever the one tree comes to,
the other comes to a tree in which `w` and all below are the same (`Supervision.Unchanged`), up to where `w` is at its last stop in
both, again the same; and the other way round.

What it takes, for grants and bounds are shared (`Supervision.Before`): no limited clause of the root run's grant is about
`run.spawn`, `run.next` or `run.pass`, and of what the supervisors are spawned with about the latter two; both let
them do so without regard to arguments; and the program allows 12 local steps between two events. Owners above the asker are left out:
one of them could look at the path that `run.next` tells, and that differs. -/
theorem transparent_supervision {ω : Oracle} {m m' : M} (reached : ∃ i : Init, M.After ω i.start m)
    (reached' : ∃ i : Init, M.After ω i.start m') {P : Program} {sup sup' : Supervisor P} {w : Id}
    {names names' : List (String × String)} (before : Before m w sup names) (before' : Before m' w sup' names') (alike : M.Alike (besides (m.run .root).made w) m m')
    (made : (m'.run .root).made = (m.run .root).made) :
    (∀ k, Comes ω m k → (∃ k', Comes ω m' k' ∧ Unchanged w k k') ∨
      ∃ e e', Comes ω m e ∧ Comes ω e k ∧ Comes ω m' e' ∧ AtEnd w e ∧ AtEnd w e' ∧ Unchanged w e e') ∧
    ∀ k', Comes ω m' k' → (∃ k, Comes ω m k ∧ Unchanged w k k') ∨
      ∃ e e', Comes ω m e ∧ Comes ω m' e' ∧ Comes ω e' k' ∧ AtEnd w e ∧ AtEnd w e' ∧ Unchanged w e e' := by
  obtain ⟨n, os, p, aw, st, _, marks⟩ := before.awaited reached
  obtain ⟨n', os', p', aw', st', _, _⟩ := before'.awaited reached'
  rw [made] at p' aw'
  obtain ⟨i, r⟩ := reached
  obtain ⟨i', r'⟩ := reached'
  obtain ⟨φ, ag⟩ := alike
  have y : Sync ω (besides (m.run .root).made w) w os os' n n' :=
    ⟨aw, aw', (ag.beside p.beside p'.beside aw.sound.bound.tied aw'.sound.bound.tied).alike, [], st, st', fun _ h => absurd h List.not_mem_nil⟩
  have atEnd : ∀ {os : List Watch} {e : M}, LastStop w os e → AtEnd w e := fun o => ⟨⟨_, o.1⟩, o.2.1, o.2.2⟩
  refine ⟨fun k ⟨j, h⟩ => ?_, fun k' ⟨j, h⟩ => ?_⟩
  · rcases p.split h with b | ⟨i₁, _, h⟩
    · have s : M.Sound k := (r.trans h.after).sound
      exact .inl ⟨m', .refl m', unchanged marks (ag.beside b (.refl m') s.bound.tied r'.sound.bound.tied).alike⟩
    · rcases y.forth marks i₁ h with ⟨k', c, a⟩ | ⟨e, e', c, c', ye, o, o', late⟩
      · exact .inl ⟨k', (Path.comes p').trans c, unchanged marks a⟩
      · exact .inr ⟨e, e', (Path.comes p).trans c, late, (Path.comes p').trans c', atEnd o, atEnd o', unchanged marks ye.alike⟩
  · rcases p'.split h with b | ⟨i₁, _, h⟩
    · have s : M.Sound k' := (r'.trans h.after).sound
      exact .inl ⟨m, .refl m, unchanged marks (ag.beside (.refl m) b r.sound.bound.tied s.bound.tied).alike⟩
    · rcases y.back marks i₁ h with ⟨k, c, a⟩ | ⟨e, e', c, c', ye, o, o', late⟩
      · exact .inl ⟨k, (Path.comes p).trans c, unchanged marks a⟩
      · exact .inr ⟨e, e', (Path.comes p).trans c, (Path.comes p').trans c', late, atEnd o, atEnd o', unchanged marks ye.alike⟩

end Shepherd
