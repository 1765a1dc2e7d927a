import Shepherd.Laws.Support.TiedForks
import Shepherd.Laws.GrantNarrows.Steps

/-!
# Ownership through everything that can happen

Each step changes only runs along the one that acts: those that may come to stand below it, and those above it.
-/

namespace Shepherd

open Id (MayOwn Over)

/-- One of two runs is the other, or may come to stand below it. -/
def Id.Along (x y : Id) : Prop := Over x y ∨ Over y x

namespace M

variable {T F : Id → Prop} {B : Prop}

/-- The run for which the next thing happens: the active run, or the one whose question waits. -/
def Acts (m : M) (x : Id) : Prop := (∃ rest, m.stack = x :: rest) ∨ ∃ q, m.asked = some q ∧ q.run = x

/-! ## Steps -/

theorem deeds_giveBack {m : M} (td : Tied m) {id : Id} (t : ∀ x, Over id x → T x) : Deeds T F m (m.giveBack id) := by
  refine Deeds.foldl td fun n k hk d tn => ?_
  have o := (td.owner ((Runs.mem_kids_iff td.forest.nodup).mp hk)).over
  split
  · next g gs hg =>
    have give : ∀ x ∈ g :: gs, MayOwn x k := fun x hx => tn.givers k x (by rw [hg]; exact hx)
    exact .own k g gs .refl (t k o) (d.has (has_of_mem_kids hk)) (give g List.mem_cons_self)
      fun x hx => give x (List.mem_cons_of_mem _ hx)
  · exact .refl

theorem deeds_finish {m : M} (td : Tied m) {id : Id} (t : ∀ x, Over id x → T x) (i : m.has id = true) {again : Comp}
    (lead : (m.run id).code.settle.Leads m.program (.running again [] [] 0)) (kind : EndKind) (v : Value) (code : Settled) :
    Deeds T F m (m.finish id again kind v code) := by
  unfold M.finish
  split
  · next h => exact deeds_discardMade td t i lead h
  · have e : Deeds T F m (m.recordCode id (.ended kind v) (.settled code)) := deeds_recordCode (t id (.refl _)) i _ trivial
    exact e.trans (deeds_giveBack (e.tied td) t)

theorem deeds_ask {m : M} {id : Id} (t : T id) (i : m.has id = true) (op : String) (args : List Value) (K : Stack) :
    Deeds T F m (m.ask id op args K) := by
  unfold M.ask
  simp only
  split
  · exact .record id _ _ (.used _ .refl) t i trivial fun _ h => .inl h
  · exact deeds_recordCode t i _ trivial

theorem deeds_localMove {m : M} (td : Tied m) {id : Id} (t : ∀ x, Over id x → T x) {c : Comp} {ρ : Env} {K : Stack} {n : Nat}
    (hc : (m.run id).code = .settled (.running c ρ K n)) : Deeds T F m (m.localMove id c ρ K n) := by
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  have lead : ∀ {again}, Ending m.program c ρ K n again → (m.run id).code.settle.Leads m.program (.running again [] [] 0) :=
    fun e => by rw [hc]; exact .ending .refl e
  have fault : ∀ f, (localStep m.program c ρ K = .faults f ∨ (m.program.steps < n + 1 ∧ f = tooMany m.program)) →
      Deeds T F m (m.fault id f) := fun f h => deeds_finish td t i (lead (.inr ⟨f, h, rfl⟩)) _ _ _
  unfold M.localMove
  split
  · next hn => exact fault _ (.inr ⟨hn, rfl⟩)
  · next hn =>
    split
    · next hs =>
      exact deeds_setCode (t id (.refl _)) i trivial (.inr (by rw [hc]; exact .step .refl (by omega) hs))
    · next hs => exact deeds_finish td t i (lead (.inl ⟨_, hs, rfl⟩)) _ _ _
    · next hs => exact fault _ (.inl hs)
    · exact deeds_ask (t id (.refl _)) i _ _ _

theorem deeds_toOwner {m : M} (w : Wf m B) (tab : Tabled F m) (fresh : ∀ h, m.Stamped h → F h) {owner : Id}
    (t : T owner) (id : Id) {rest : List Id} (st : (owner :: rest).Pairwise fun a b => Over b a) :
    Deeds T F m (m.toOwner owner id rest) := by
  unfold M.toOwner
  split
  · next hc =>
    have i : m.has owner = true := has_of_code (by rw [hc]; exact nofun)
    have e₁ : Deeds T F m { m with stack := owner :: rest } := .stack _ .refl st
    have w₁ : Wf { m with stack := owner :: rest } B := Plain.wf (.stack _ .refl) w
    obtain ⟨hs, e, hh⟩ := stopValue_table (m := { m with stack := owner :: rest }) w₁ ⟨tab.tables, tab.kept⟩ fresh i id
    simp only [e]
    exact e₁.trans (deeds_tell (m := { m with stack := owner :: rest }) t i hh _ _)
  · exact .refl

theorem deeds_answerFile {m : M} (td : Tied m) {id : Id} {q : Question} (i : m.has q.asked = true) (t : T q.asked)
    (path : ∀ z ∈ id :: q.path, T z) : Deeds T F m (m.answerFile id q) := by
  unfold M.answerFile
  simp only
  split
  · next s _ _ _ _ _ =>
    have e : Deeds T F m { m with written := (gitBlobHash s, s) :: m.written } := .written _ .refl
    exact e.trans (deeds_deliver (e.tied td) i t path _ _ _)
  · exact deeds_deliver td i t path _ _ _

/-- Who is shown a question acts along the run that asks, and along whoever shows it. -/
theorem Tied.along {m : M} (td : Tied m) {x id : Id} {rest : List Id} (st : m.stack = id :: rest) (act : m.Acts x)
    (asks : ∀ q, m.shown id = some q → ∀ a, m.asked = some a → a.run = q.asked) {q : Question} (h : m.shown id = some q) :
    ∀ z, z ∈ id :: q.path ∨ z = q.asked → Id.Along x z := by
  have s := td.shown h
  intro z hz
  rcases act with ⟨r, hr⟩ | ⟨a, ha, rfl⟩
  · rw [st] at hr
    cases hr
    left
    rcases hz with hz | rfl
    · cases List.mem_cons.mp hz with
      | inl e => rw [e]; exact .refl _
      | inr e => exact (List.pairwise_cons.mp s.1).1 z e
    · exact s.2 _ List.mem_cons_self
  · right
    rw [asks q h a ha]
    rcases hz with hz | rfl
    · exact s.2 z hz
    · exact .refl _

/-- Where a question is shown, the one who is asked about asks it. -/
theorem asked_shown {m : M} {id : Id} {rest : List Id} (st : m.stack = id :: rest) {q : Question} (h : m.shown id = some q)
    {a : Asked} (ha : m.asked = some a) : a.run = q.asked := by
  unfold M.asked at ha
  rw [st] at ha
  simp only at ha
  split at ha
  · next w hc =>
    split at ha
    · next op =>
      unfold M.shown at h
      rw [hc] at h
      simp only at h
      split at h
      · cases h
      · cases h; cases ha; rfl
    · rw [h] at ha; cases ha; rfl
  · rw [h] at ha; cases ha; rfl

/-- The active run, where someone acts: it is that one, or stands over it. -/
theorem Tied.active {m : M} (td : Tied m) {x id : Id} {rest : List Id} (st : m.stack = id :: rest) (act : m.Acts x) : Over id x := by
  rcases act with ⟨r, hr⟩ | ⟨a, ha, rfl⟩
  · rw [st] at hr; cases hr; exact .refl _
  · unfold M.asked at ha
    rw [st] at ha
    simp only at ha
    have shown : ∀ {a : Asked}, (m.shown id).map (fun q => ({ run := q.asked, op := q.op, args := q.args } : Asked)) = some a →
        Over id a.run := fun h => by
      obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
      exact (td.shown hq).2 id List.mem_cons_self
    split at ha
    · split at ha
      · cases ha; exact .refl _
      · exact shown ha
    · exact shown ha

theorem deeds_atStop {m n : M} (td : Tied m) (w : Wf m B) (tab : Tabled F m) (fresh : ∀ h, m.Stamped h → F h) {x id : Id}
    {rest : List Id} (st : m.stack = id :: rest) (act : m.Acts x) (h : m.atStop id rest = some n) :
    Deeds (Id.Along x) F m n := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Deeds (Id.Along x) F m n := fun h => by
    split at h
    · next q hs =>
      split at h
      · cases h
        have al := td.along st act (fun q h a ha => asked_shown st h ha) hs
        exact deeds_answerFile td (has_of_shown w.codes hs).1 (al _ (.inr rfl)) fun z hz => al z (.inl hz)
      · cases h
    · cases h
  unfold M.atStop at h
  split at h
  · next owner rest' =>
    split at h
    · cases h
      have s := td.stack
      rw [st] at s
      have s := List.pairwise_cons.mp s
      exact deeds_toOwner w tab fresh (.inr ((s.1 owner List.mem_cons_self).trans (td.active st act))) id s.2
    · exact file h
  · exact file h

theorem deeds_driveRoot {m : M} (t : T .world) (i : m.has .world = true) : Deeds T F m m.driveRoot := by
  unfold M.driveRoot
  refine .stack _ (deeds_setCode t i trivial (.inl rfl)) ?_
  refine List.pairwise_cons.mpr ⟨fun z hz => ?_, List.pairwise_singleton _ _⟩
  rw [List.mem_singleton.mp hz]
  exact MayOwn.root.over

theorem deeds_afterWorld {m : M} (i : m.has .world = true) {id : Id} (t : T id) : Deeds T F m (m.afterWorld id) := by
  unfold M.afterWorld
  split
  · exact .refl
  · next e =>
    have e : id = .world := Decidable.of_not_not e
    split
    · exact deeds_driveRoot (e ▸ t) i
    · exact .refl

/-- Nobody but the active run acts where that one is not at a stop. -/
theorem acts_active {m : M} {x id : Id} {rest : List Id} (st : m.stack = id :: rest) (act : m.Acts x)
    (no : m.shown id = none) : x = id := by
  rcases act with ⟨r, hr⟩ | ⟨a, ha, rfl⟩
  · rw [st] at hr; cases hr; rfl
  · unfold M.asked at ha
    rw [st] at ha
    simp only [no, Option.map_none] at ha
    split at ha
    · split at ha
      · cases ha; rfl
      · cases ha
    · cases ha

/-- One step changes only runs along the one that acts. -/
theorem gives_step {m n : M} (td : Tied m) (nm : Named m) (w : Wf m) (tab : Tabled m.Stamped m) {x : Id} (act : m.Acts x)
    (h : m.step = some n) : Gives (Id.Along x) m n := by
  have tab' : ∀ {F : Id → Prop}, (∀ h, m.Stamped h → F h) → Tabled F m := fun f =>
    ⟨fun id h hh => f h (tab.tables id h hh), fun id c hc h hh => f h (tab.kept id c hc h hh)⟩
  unfold M.step at h
  split at h
  · cases h
  · next id rest st =>
    split at h
    · next hc =>
      cases h
      have e : x = id := acts_active st act (by unfold M.shown; rw [hc])
      subst e
      exact Deeds.gives fun _ _ => deeds_localMove td (fun _ h => .inl h) hc
    · next wt hc =>
      split at h
      · next op =>
        have e : x = id := acts_active st act (by unfold M.shown; rw [hc]; simp only; rw [if_pos op])
        subst e
        exact gives_perform nm w.weaken tab ⟨td, fun _ h => .inl h, has_of_code (by rw [hc]; exact nofun), hc⟩ ⟨rest, st⟩ h
      · exact Deeds.gives fun _ f => deeds_atStop td w (tab' f) f st act h
    · next u origin hc =>
      split at h
      · next hu =>
        cases h
        have e : x = id := by
          refine acts_active st act ?_
          unfold M.undoStep at hu
          unfold M.shown
          rw [hc]
          simp only
          split at hu
          · cases hu
          · next nr => rw [Bool.not_eq_true] at nr; simp only [nr]
        subst e
        refine Deeds.gives fun F f => ?_
        have e := deeds_undoStep td nm w (tab' f) f (T := Id.Along x) (fun _ h => .inl h) hc hu
        exact e.trans (deeds_afterWorld (e.has w.world) (.inl (.refl x)))
      · exact Deeds.gives fun _ f => deeds_atStop td w (tab' f) f st act h
    · exact Deeds.gives fun _ f => deeds_atStop td w (tab' f) f st act h

/-! ## From outside -/

theorem deeds_answer {m n : M} (td : Tied m) (w : Wf m) {x : Id} (act : m.Acts x) {answer : Value} {change : Change}
    (h : m.answer answer change = some n) : Deeds (Id.Along x) F m n := by
  unfold M.answer at h
  split at h
  · next a id rest ha st =>
    have deliver : ∀ {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n →
        Deeds (Id.Along x) F m n := by
      intro n h
      obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
      have al := td.along st act (fun q h a ha => asked_shown st h ha) hq
      exact deeds_deliver td (has_of_shown w.codes hq).1 (al _ (.inr rfl)) (fun z hz => al z (.inl hz)) _ _ _
    split at h
    · cases h
    · split at h
      · next wt hc =>
        split at h
        · cases h
          exact deeds_recordCode (.inr (td.active st act)) (has_of_code (by rw [hc]; exact nofun)) _ trivial
        · exact deliver h
      · exact deliver h
  · cases h

theorem gives_outer {ω : Oracle} {m n : M} (td : Tied m) (w : Wf m) {x : Id} (act : m.Acts x) (h : m.outer ω = some n) :
    Gives (Id.Along x) m n := by
  unfold M.outer at h
  split at h
  · cases h
  · exact Deeds.gives fun _ _ => deeds_answer td w act h

end M

end Shepherd
