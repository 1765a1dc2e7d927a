import Shepherd.Laws.CompensationOrder.Forks
import Shepherd.Laws.CompensationOrder.Over

/-!
# Steps of the tree
-/

namespace Shepherd

/-! ## The machine's answers to file operations are no `abandoned` -/

namespace FileOps

theorem ok_ne (v : Value) : Value.ok v ≠ abandoned := fun h => absurd (Value.con.inj h).1 (by decide)

theorem err_ne {code : String} (h : code ≠ "abandoned") (text : String) : Value.err code text ≠ abandoned := by
  intro e
  unfold abandoned Value.err Value.error at e
  simp only [Value.con.injEq, List.cons.injEq, Value.record.injEq, Prod.mk.injEq, Value.text.injEq, true_and, and_true] at e
  exact h e.1

theorem blocked_ne {files : Files} {path : String} {e : Value} (h : blocked files path = some e) : e ≠ abandoned := by
  unfold blocked at h
  obtain ⟨p, _, hp⟩ := List.exists_of_findSome?_eq_some h
  split at hp
  · cases hp
  · split at hp
    · cases hp
    · split at hp
      · cases hp; exact err_ne (by decide) _
      · cases hp; exact err_ne (by decide) _

theorem perform_not_abandoned (files : Files) (readBlob : String → Option Content) (op : String) (args : List Value) :
    (perform files readBlob op args).1 ≠ abandoned := by
  unfold perform
  split
  · exact ok_ne _
  · unfold atPath
    split
    · exact err_ne (by decide) _
    · split
      · exact err_ne (by decide) _
      · split
        · unfold read
          split
          · next h => exact blocked_ne h
          · repeat' split
            all_goals first
              | exact ok_ne _
              | exact err_ne (by decide) _
        · unfold remove
          split
          · next h => exact blocked_ne h
          · repeat' split
            all_goals first
              | exact ok_ne _
              | exact err_ne (by decide) _
        · unfold write
          split
          · exact err_ne (by decide) _
          · split
            · next h => exact blocked_ne h
            · repeat' split
              all_goals first
                | exact ok_ne _
                | exact err_ne (by decide) _
        · exact err_ne (by decide) _
  · exact err_ne (by decide) _

end FileOps

namespace M

/-! ## Regions -/

/-- The regions of those that are undoing; others have none. -/
def Regions.trim (R : Regions) (m : M) : Regions := fun b x => (∃ v q, (m.run b).code = .undoing v q) ∧ R b x

theorem Regions.trim_iff {R : Regions} {m : M} {b : Id} {v : Undoing} {q : Settled} (h : (m.run b).code = .undoing v q) (x : Id) :
    R.trim m b x ↔ R b x := ⟨fun g => g.2, fun g => ⟨⟨v, q, h⟩, g⟩⟩

theorem Good.trim {R : Regions} {m : M} (g : Good R m) : Good (R.trim m) m := by
  have k := g.unwinds
  have held : ∀ x, m.Taken (R.trim m) x ↔ m.Taken R x := fun x => by
    constructor
    · rintro ⟨b, v, q, hv, hx⟩; exact ⟨b, v, q, hv, hx.2⟩
    · rintro ⟨b, v, q, hv, hx⟩; exact ⟨b, v, q, hv, (Regions.trim_iff hv x).mpr hx⟩
  refine ⟨⟨k.fine, k.waits, k.owns, fun a u o h => (k.region a u o h).iff (Regions.trim_iff h), fun a u o h j c hj hc x hx => ?_,
    fun a b u v o p x ha hb hx hy => ?_, fun a u o h => ?_, fun x h => k.idle x ((held x).mp h), k.passes⟩, g.path, g.top, g.root, g.table, g.world⟩
  · exact (Regions.trim_iff h _).mpr (k.heads a u o h j c hj hc x hx)
  · rcases k.nested a b u v o p x ha hb hx.2 hy.2 with e | e | e
    · exact .inl e
    · exact .inr (.inl ((Regions.trim_iff hb _).mpr e))
    · exact .inr (.inr ((Regions.trim_iff ha _).mpr e))
  · exact (k.live a u o h).imp (held a).mpr fun l => l.iff (Regions.trim_iff h)

/-- `n` comes after `m`: who takes back in both takes back the same runs; who takes back only in `n` has begun in `m`, and takes back
the family that the run had. -/
def Goes (R : Regions) (m n : M) : Prop :=
  ∃ R' : Regions, Good R' n ∧ (∀ b v q, (m.run b).code = .undoing v q → ∀ x, R' b x ↔ R b x) ∧
    ∀ b v q, (∀ v' q', (m.run b).code ≠ .undoing v' q') → (n.run b).code = .undoing v q → ∀ x, R' b x ↔ x ∈ m.family v.run

theorem Goes.of_good {R : Regions} {m n : M} (g : Good R m) (h : ∀ R', Good R' m → Good R' n) : Goes R m n := by
  have g' := h _ g.trim
  refine ⟨R.trim m, g', fun b v q hv x => Regions.trim_iff hv x, fun b v q hn hv x => ?_⟩
  obtain ⟨⟨v', q', hv'⟩, _⟩ := (g'.unwinds.region b v q hv).top
  exact absurd hv' (hn v' q')

theorem Goes.of_begin {R : Regions} {m n : M} (g : Good R m) (w : Wf m True) (td : Tied m) (nm : Named m) (seen : Seen m) {a : Id}
    {rest : List Id} (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) {id : Id}
    (ho : (m.run id).owner = some a) (root : a = .world → id = .root) {origin : Settled}
    (waits : Waits (m.run a).trace (.settled origin)) {to : Option Nat} (hb : m.begin a origin id to = .ok n) : Goes R m n := by
  obtain ⟨g', _, u, hu, hid⟩ := g.trim.begin w td nm seen h hc ho root waits hb
  refine ⟨_, g', fun b v q hv x => ?_, fun b v q hn hv x => ?_⟩
  · have ne : b ≠ a := fun e => by rw [e, hc] at hv; cases hv
    rw [Regions.with_ne _ ne]; exact Regions.trim_iff hv x
  · rcases Classical.em (b = a) with e | e
    · subst e
      rw [hu] at hv
      cases hv
      rw [Regions.with_self, hid]
      exact td.mem_family.symm
    · have := (g'.unwinds.region b v q hv).top
      rw [Regions.with_ne _ e] at this
      obtain ⟨⟨v', q', hv'⟩, _⟩ := this
      exact absurd hv' (hn v' q')

/-! ## Steps -/

/-- What is known of a tree that can be reached. -/
structure Known (m : M) : Prop where
  sound : Sound m
  marked : AllMarked m
  seen : Seen m

variable {R : Regions} {m n : M} {a : Id} {rest : List Id}

theorem goes_finish (g : Good R m) (k : Known m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c)
    (ne : a ≠ .world) (i : m.has a = true) (again : Comp) (kind : EndKind) (v : Value) (t : Settled) (ht : ∀ w, t ≠ .waiting w) :
    Goes R m (m.finish a again kind v t) := by
  have f := k.sound.bound.tied.forest
  unfold M.finish
  split
  · next n hn =>
    unfold discardMade at hn
    split at hn
    · cases hn
    · next kid hk =>
      split at hn
      · next m' hb =>
        cases hn
        have ik : kid ∈ m.kids a := by
          unfold newestMade at hk
          exact (List.mem_filter.mp (List.mem_of_getLast? hk)).1
        exact Goes.of_begin g k.sound.wf.weaken k.sound.bound.tied k.sound.granted.named k.seen h hc
          ((Runs.mem_kids_iff f.nodup).mp ik) (fun e => absurd e ne) Good.waits_running hb
      · cases hn
  · exact .of_good g fun R' g' => g'.ended f h hc i ne kind v t ht

theorem goes_localMove (g : Good R m) (k : Known m) (h : m.stack = a :: rest) {c : Comp} {ρ : Env} {K : Stack} {j : Nat}
    (hc : (m.run a).code = .settled (.running c ρ K j)) (ne : a ≠ .world) : Goes R m (m.localMove a c ρ K j) := by
  have i : m.has a = true := has_of_code (by rw [hc]; exact nofun)
  unfold M.localMove
  split
  · exact goes_finish g k h hc ne i _ _ _ _ nofun
  · split
    · exact .of_good g fun R' g' => g'.setCode h hc _ Good.waits_running
    · exact goes_finish g k h hc ne i _ _ _ _ nofun
    · exact goes_finish g k h hc ne i _ _ _ _ nofun
    · exact .of_good g fun R' g' => g'.ask h hc _ _ _

theorem goes_takeBack (g : Good R m) (w : Wf m True) (td : Tied m) (nm : Named m) (seen : Seen m) (h : m.stack = a :: rest)
    {wt : Waiting} (hc : (m.run a).code = .settled (.waiting wt)) (hw : Waits (m.run a).trace (.settled (.waiting wt))) {id : Id}
    (ho : (m.run id).owner = some a) (root : a = .world → id = .root) (to : Option Nat) : Goes R m (m.takeBack a wt id to) := by
  unfold M.takeBack
  split
  · exact .of_good g fun R' g' => g'.reply h hc _ _
  · next hb => exact Goes.of_begin g w td nm seen h hc ho root hw hb

theorem goes_revert (g : Good R m) (w : Wf m True) (td : Tied m) (nm : Named m) (seen : Seen m) (h : m.stack = a :: rest)
    {wt : Waiting} (hc : (m.run a).code = .settled (.waiting wt)) (hw : Waits (m.run a).trace (.settled (.waiting wt)))
    (root : a = .world → ∀ id, (m.run id).owner = some a → id ∈ (m.run a).handles → id = .root) : Goes R m (m.revert a wt) := by
  unfold M.revert
  split
  · split
    · exact .of_good g fun R' g' => g'.reply h hc _ _
    · next id ho =>
      have ow : (m.run id).owner = some a := beq_iff_eq.mp (owns_of_owned ho)
      split
      · refine goes_takeBack g w td nm seen h hc hw ow (fun e => root e id ow ?_) _
        unfold owned at ho
        split at ho
        · split at ho
          · next hh =>
            split at ho
            · cases ho; exact List.mem_of_getElem? hh
            · cases ho
          · cases ho
        · cases ho
      · exact .of_good g fun R' g' => g'.reply h hc _ _
  · exact .of_good g fun R' g' => g'.wrong h hc wt

theorem goes_discardOp (g : Good R m) (w : Wf m True) (td : Tied m) (nm : Named m) (seen : Seen m) (h : m.stack = a :: rest)
    {wt : Waiting} (hc : (m.run a).code = .settled (.waiting wt)) (hw : Waits (m.run a).trace (.settled (.waiting wt)))
    (root : a = .world → ∀ id, (m.run id).owner = some a → id ∈ (m.run a).handles → id = .root) : Goes R m (m.discardOp a wt) := by
  unfold M.discardOp
  split
  · split
    · exact .of_good g fun R' g' => g'.reply h hc _ _
    · next id ho =>
      have ow : (m.run id).owner = some a := beq_iff_eq.mp (owns_of_owned ho)
      split
      · exact .of_good g fun R' g' => g'.reply h hc _ _
      · refine goes_takeBack g w td nm seen h hc hw ow (fun e => root e id ow ?_) _
        unfold owned at ho
        split at ho
        · split at ho
          · next hh =>
            split at ho
            · cases ho; exact List.mem_of_getElem? hh
            · cases ho
          · cases ho
        · cases ho
  · exact .of_good g fun R' g' => g'.wrong h hc wt

theorem goes_perform (g : Good R m) (k : Known m) (h : m.stack = a :: rest) {wt : Waiting}
    (hc : (m.run a).code = .settled (.waiting wt)) (ne : a ≠ .world) (hn : m.perform a wt = some n) : Goes R m n := by
  have w : Wf m True := k.sound.wf.weaken
  have td := k.sound.bound.tied
  have nm := k.sound.granted.named
  have hw : Waits (m.run a).trace (.settled (.waiting wt)) := hc ▸ g.unwinds.waits a ne
  unfold M.perform at hn
  split at hn
  · cases hn; exact .of_good g fun R' g' => g'.take h hc
  · cases hn; refine .of_good g fun R' g' => ?_
    unfold M.answerOp; split
    · exact g'.ownerAnswers w td.forest h hc _ _
    · exact g'.wrong h hc wt
  · cases hn; refine .of_good g fun R' g' => ?_
    unfold M.denyOp; split
    · exact g'.ownerAnswers w td.forest h hc _ _
    · exact g'.wrong h hc wt
  · cases hn; exact goes_discardOp g w td nm k.seen h hc hw fun e => absurd e ne
  · cases hn; exact .of_good g fun R' g' => g'.fork w td nm h hc ne
  · cases hn; exact .of_good g fun R' g' => g'.inject h hc
  · cases hn; exact .of_good g fun R' g' => g'.merge h hc
  · cases hn; exact .of_good g fun R' g' => g'.next h hc
  · cases hn; exact .of_good g fun R' g' => g'.pass h hc
  · exact .of_good g fun R' g' => g'.pick h hc hn
  · cases hn; exact goes_revert g w td nm k.seen h hc hw fun e => absurd e ne
  · cases hn; exact .of_good g fun R' g' => g'.spawn w k.sound.bound.tabled h hc ne
  · cases hn; exact .of_good g fun R' g' => g'.traceOp h ne hc
  · cases hn; exact .of_good g fun R' g' => g'.reply h hc _ _

theorem good_answerFile (g : Good R m) (k : Known m) (h : m.stack = a :: rest) {q : Question} (hq : m.shown a = some q) :
    Good R (m.answerFile a q) := by
  have given : (Event.outcome (FileOps.perform (m.run q.asked).files m.content q.op q.args).1
      (FileOps.perform (m.run q.asked).files m.content q.op q.args).2 .machine).isAbandoned = false := by
    unfold Event.isAbandoned
    simp only
    exact beq_eq_false_iff_ne.mpr (FileOps.perform_not_abandoned _ _ _ _)
  unfold M.answerFile
  simp only
  split
  · next s _ _ _ _ _ =>
    have g' : Good R { m with written := (gitBlobHash s, s) :: m.written } :=
      g.same rfl (fun _ => rfl) (fun _ => rfl) (fun _ => rfl) rfl rfl
    have e : Plain m { m with written := (gitBlobHash s, s) :: m.written } True := .written _ .refl
    have w' := e.wf k.sound.wf.weaken
    exact g'.deliver w' k.sound.bound.tied.forest h hq given
  · exact g.deliver k.sound.wf.weaken k.sound.bound.tied.forest h hq given

theorem good_atStop (g : Good R m) (k : Known m) (h : m.stack = a :: rest) (hn : m.atStop a rest = some n) : Good R n := by
  unfold M.atStop at hn
  split at hn
  · next owner rest' =>
    split at hn
    · next ne => cases hn; exact g.toOwner k.sound.bound.tied.forest h ne
    · split at hn
      · next q hq =>
        split at hn
        · cases hn; exact good_answerFile g k h hq
        · cases hn
      · cases hn
  · split at hn
    · next q hq =>
      split at hn
      · cases hn; exact good_answerFile g k h hq
      · cases hn
    · cases hn

/-- The outermost owner drives the root run again. -/
theorem good_driveRoot (g : Good R m) (h : m.stack = [.world]) {c : Settled} (hc : (m.run .world).code = .settled c)
    (root : (m.run .root).owner = some .world) : Good R m.driveRoot := by
  unfold M.driveRoot
  generalize hw : ({ op := "run.next", args := [.run 0], stack := [] } : Waiting) = w
  have same := run_setCode_same m .world (.driving .root w)
  have owners : ∀ y, ((m.setCode .world (.driving .root w)).run y).owner = (m.run y).owner := fun y => by
    rw [run_setCode]; split
    · next e => subst e; rfl
    · rfl
  have k : Unwinds R (m.setCode .world (.driving .root w)) :=
    g.unwinds.setCode _ (g.free h) (fun u o => by rw [hc]; exact ⟨nofun, nofun⟩) (fun e => absurd rfl e) (fun _ _ _ _ e => nomatch e) (g.alone h)
  refine ⟨k.same rfl (fun _ => rfl) (fun _ => rfl) fun _ => rfl, ?_, (owners .world).trans g.top, (owners .root).trans g.root, ?_, ?_⟩
  · refine .drives (w := w) ((owners .root).trans root) ?_ .world
    show ((m.setCode .world (.driving .root w)).run .world).code = _
    rw [same]
  · show ((m.setCode .world (.driving .root w)).run .world).handles = _
    rw [same]; exact g.table
  · show ∀ u o, ((m.setCode .world (.driving .root w)).run .world).code = _ → _
    rw [same]; exact fun _ _ e => nomatch e

end M

end Shepherd
