import Shepherd.Laws.Support.SeenReach
import Shepherd.Laws.Support.Told

/-!
# Code and files fork together
-/

namespace Shepherd

open Id (MayOwn Over)

/-- Code and files fork together.

The tree `m` can be reached, and its active run `asker` does `run.fork(r, k)` for a run `r` that it owns; `c` is the commit of event
`k` of `r`, and `f` the id made for the fork. No run of the fork is there before. Then the machine makes one step, to `n`, after which

- the copy of `r` has the code, the files, the inbox and the count that commit `c` holds, and the trace of `r` up to `c` with one
  `forked` on top, whose commit holds the same (`M.JustForked`); `asker` owns it;
- so it is with each run that stood below `r` at `c`: its copy is as that run was right after the last event that it then had (`e`,
  which is the one before `h.length`), and is owned by the copy of the one that owned it; where its code is an open `run.pass` of a run
  that it owns and that shows an intent, it is passing that intent (`M.takenUp`);
- handles mean the copies, for runs that are copied, and what they meant before for all others (`M.copyHandles`);
- the log has more, in this one step, the `forked` of the copies and then the outcome for `asker`, which is the copy;
- every run that was there, but for `asker`, is literally what it was, and the files of `asker` are what they were.

And there is no tree with the one and without the other: in every tree `p` that can be reached, the trace of every copy has a commit
`forked` that holds the code, the files, the inbox and the count of the commit before it. -/
theorem fork_atomic {ω : Oracle} {i : Init} {m : M} (h : M.After ω i.start m) {asker : Id} {rest : List Id} {w : Waiting}
    (active : m.stack = asker :: rest) (asks : (m.run asker).code = .settled (.waiting w)) (op : w.op = "run.fork") {v : Value}
    {k : Nat} (args : w.args = [v, .int k]) {r : Id} (original : m.owned asker v = .ok r) {c : Commit}
    (event : (m.run r).trace.nth k = some c) :
    let f := Id.made asker (m.run asker).made
    let group := (c.heads.map fun h => Id.today c.run r h.id) ++ [r]
    (∀ x, m.has (.copy f x) = false) ∧
    (∃ n, m.step = some n ∧
      (∃ t, (m.run r).trace.upTo k = c :: t ∧ n.JustForked (.copy f r) r c t) ∧
      (n.run (.copy f r)).code = .settled c.code ∧ (n.run (.copy f r)).owner = some asker ∧
      (n.run (.copy f r)).handles = M.copyHandles m r f c group c.handles ∧
      (∀ h ∈ c.heads, ∃ e u, (m.run h.id).trace.upTo (h.length - 1) = e :: u ∧ h.length = e.index + 1 ∧
        n.JustForked (.copy f (Id.today c.run r h.id)) (Id.today c.run r h.id) e u ∧
        (n.run (.copy f (Id.today c.run r h.id))).code = n.takenUp (.copy f (Id.today c.run r h.id))
          (n.run (.copy f (Id.today c.run r h.id))).handles e.code ∧
        (n.run (.copy f (Id.today c.run r h.id))).owner = some (.copy f (Id.today c.run r h.owner)) ∧
        (n.run (.copy f (Id.today c.run r h.id))).handles = M.copyHandles m r f c group e.handles) ∧
      (∃ o ds, n.log = o :: (ds ++ m.log) ∧ o.run = asker ∧
        (∃ j, o.event = .outcome (.ok (.run j)) [] .machine ∧ o.handles[j]? = some (.copy f r)) ∧
        ∀ d ∈ ds, ∃ x j, d.run = .copy f x ∧ d.event = .forked x j) ∧
      (∀ y, m.has y = true → y ≠ asker → n.run y = m.run y) ∧ (n.run asker).files = (m.run asker).files) ∧
    ∀ p, M.After ω i.start p → ∀ g x, p.has (.copy g x) = true →
      ∃ d e t, d :: e :: t <:+ (p.run (.copy g x)).trace ∧ Forking d (.copy g x) x e := by
  intro f group
  have s := h.sound
  have td := s.bound.tied
  have nm := s.granted.named
  have ia : m.has asker = true := M.has_of_code (by rw [asks]; exact nofun)
  have ne : ∀ x, asker ≠ .copy f x := fun x e => by
    have := M.not_has_copy s.wf asker x
    rw [← show asker = .copy (.made asker (m.run asker).made) x from e, ia] at this; cases this
  obtain ⟨t, ht⟩ : ∃ t, (m.run r).trace.upTo k = c :: t := by
    unfold Trace.nth at event
    cases e : (m.run r).trace.upTo k with
    | nil => rw [e] at event; cases event
    | cons d t => rw [e] at event; cases event; exact ⟨t, rfl⟩
  have hc : c ∈ (m.run r).trace := (Trace.upTo_suffix _ k).subset (by rw [ht]; exact List.mem_cons_self)
  have hgroup : (m.forkParts r asker (c :: t) c).map Then.id = group := by
    unfold M.forkParts M.heads
    rw [List.map_append, List.map_map]
    rfl
  have step : m.step = some ((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)) := by
    rw [M.step_perform active asks (op ▸ M.machineOp_fork), M.perform_fork op]
    unfold M.fork
    rw [args]
    simp only [original]
    show some (match (m.run r).trace.upTo k with | [] => _ | c :: _ => _) = _
    rw [ht]
  have below : ∀ x ∈ m.forkParts r asker (c :: t) c, ∀ {e u}, x.trace = e :: u →
      ((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).JustForked (.copy f x.id) x.id e u ∧
      (((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).run (.copy f x.id)).handles =
        M.copyHandles m r f c group e.handles ∧
      (((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).run (.copy f x.id)).owner =
        some (if x.id = r then asker else .copy f x.owner) ∧
      (x.id = r → (((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).run (.copy f x.id)).code =
        .settled e.code) := by
    intro x hx e u hk
    have same : ((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).run (.copy f x.id) =
        (m.copyTree r (c :: t) c f asker).run (.copy f x.id) := M.run_answerRun (ne x.id)
    obtain ⟨j, hh, ho, hcode⟩ := M.run_copyTree_copy (fork := f) td nm hc hx hk
    rw [hgroup] at hh
    rw [same]
    exact ⟨⟨same ▸ j.code, same ▸ j.files, same ▸ j.inbox, same ▸ j.made, same ▸ j.trace⟩, hh, ho, hcode⟩
  have told := fun z => M.owner_answerRun (m.copyTree r (c :: t) c f asker) asker w (.copy f r) z
  have sn := s.after ((M.After.refl (ω := ω) m).step step)
  have full : ∀ x ∈ m.forkParts r asker (c :: t) c, x.trace ≠ [] := by
    intro x hx
    unfold M.forkParts at hx
    rcases List.mem_append.mp hx with hx | hx
    · unfold M.heads at hx
      obtain ⟨y, hy, rfl⟩ := List.mem_map.mp hx
      exact M.Trace.upTo_ne_nil (s.wf.indexed y.id) _ (nm.heads r c hc y hy)
        (h.allMarked y.id (td.heads r c hc y hy) (s.wf.heads r c hc y hy)).1
    · rw [List.mem_singleton.mp hx]; exact nofun
  have again : ∀ x ∈ m.forkParts r asker (c :: t) c, x.id ≠ r → ∀ {e u}, x.trace = e :: u →
      (((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).run (.copy f x.id)).code =
        ((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).takenUp (.copy f x.id)
          (((m.copyTree r (c :: t) c f asker).answerRun asker w (.copy f r)).run (.copy f x.id)).handles e.code := by
    intro x hx nx e u hk
    rw [M.run_answerRun (ne x.id), M.code_copyTree td nm ne (M.has_of_owned original) hc full hx nx hk]
    refine (M.takenUp_same (fun child => ?_) (fun child hy => M.shown_same (M.run_answerRun ?_)) _ _).symm
    · unfold M.owns; rw [told]
    · rintro rfl
      have may : MayOwn (.copy f x.id) asker := sn.bound.tied.owns (by unfold M.owns at hy ⊢; rw [told]; exact hy)
      exact may.acyclic (MayOwn.copied asker _ x.id).over
  have top := below { id := r, old := c.run, owner := asker, givers := [], trace := c :: t }
    (List.mem_append_right _ (List.mem_singleton.mpr rfl)) (e := c) (u := t) rfl
  refine ⟨fun x => M.not_has_copy s.wf asker x, ⟨_, step, ⟨t, ht, top.1⟩, top.2.2.2 rfl, ?_, top.2.1, fun x hx => ?_, ?_,
    fun y i e => ?_, ?_⟩, fun p hp g x i => (hp.allMarked _ i nofun).2.1 g x rfl⟩
  · have := top.2.2.1
    rwa [if_pos rfl] at this
  · have ix : m.has x.id = true := td.heads r c hc x hx
    have nw : x.id ≠ .world := s.wf.heads r c hc x hx
    have nonempty := M.Trace.upTo_ne_nil (s.wf.indexed x.id) _ (nm.heads r c hc x hx) (h.allMarked x.id ix nw).1
    cases e : (m.run x.id).trace.upTo (x.length - 1) with
    | nil => exact absurd e nonempty
    | cons d u =>
      obtain ⟨y, hy, hid, ho, ht⟩ : ∃ y ∈ m.heads r c, y.id = Id.today c.run r x.id ∧ y.owner = Id.today c.run r x.owner ∧
          y.trace = (m.run x.id).trace.upTo (x.length - 1) := by
        unfold M.heads
        exact ⟨_, List.mem_map.mpr ⟨x, hx, rfl⟩, rfl, rfl, rfl⟩
      have part := below y (List.mem_append_left _ hy) (ht.trans e)
      rw [if_neg (td.thens nm (M.has_of_owned original) hc hy).2.2.2, hid, ho] at part
      have index : x.length = d.index + 1 := by
        have pos := (h.seen.length r c hc x hx).1
        have : (m.run x.id).trace.nth (x.length - 1) = some d := by unfold Trace.nth; rw [e]; rfl
        rw [Trace.nth_index this]; omega
      have code := again y (List.mem_append_left _ hy) (td.thens nm (M.has_of_owned original) hc hy).2.2.2 (ht.trans e)
      rw [hid] at code
      exact ⟨d, u, rfl, index, part.1, code, part.2.2.1, part.2.1⟩
  · obtain ⟨ds, hl, hd⟩ := m.log_copyTree r (c :: t) c f asker
    obtain ⟨o, ho, hr, hj, _⟩ := (m.copyTree r (c :: t) c f asker).answerRun_told asker w (.copy f r)
    exact ⟨o, ds, by rw [ho, hl], hr, hj, hd⟩
  · rw [M.run_answerRun (Ne.symm e), M.run_copyTree_busy s.wf _ _ _ i]
  · obtain ⟨_, _, _, _, hf⟩ := (m.copyTree r (c :: t) c f asker).answerRun_told asker w (.copy f r)
    rw [hf, M.run_copyTree_busy s.wf _ _ _ ia]

end Shepherd
