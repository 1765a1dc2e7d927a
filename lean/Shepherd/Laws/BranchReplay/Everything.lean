import Shepherd.Laws.BranchReplay.Copies
import Shepherd.Laws.GrantNarrows.Steps

/-!
# Every run is what its recorded events make of it: through everything that can happen
-/

namespace Shepherd

/-! ## What the machine answers on files -/

namespace FileOps

/-- `Ok`, with no optional value, or `Err`. -/
def Plainly (v : Value) : Prop := (∃ x, v = .ok x ∧ ∀ y, x ≠ .some y) ∨ ∃ code text, v = .err code text

theorem plainly_err (code text : String) : Plainly (.err code text) := .inr ⟨_, _, rfl⟩
theorem plainly_ok {v : Value} (h : ∀ y, v ≠ .some y) : Plainly (.ok v) := .inl ⟨_, rfl, h⟩

theorem plainly_blocked {files : Files} {path : String} {v : Value} (h : blocked files path = some v) : Plainly v := by
  unfold blocked at h
  obtain ⟨p, _, hp⟩ := List.exists_of_findSome?_eq_some h
  split at hp
  · cases hp
  · split at hp
    · cases hp
    · split at hp
      · cases hp; exact plainly_err _ _
      · cases hp; exact plainly_err _ _

theorem plainly_read (files : Files) (readBlob : String → Option Content) (path : String) : Plainly (read files readBlob path) := by
  unfold read
  repeat' split
  all_goals first | exact plainly_err _ _ | exact plainly_ok (fun _ => nofun) | (rename_i h; exact plainly_blocked h)

theorem plainly_write (files : Files) (path : String) (content : Value) : Plainly (write files path content).1 := by
  unfold write
  repeat' split
  all_goals first | exact plainly_err _ _ | exact plainly_ok (fun _ => nofun) | (rename_i h; exact plainly_blocked h)

theorem plainly_remove (files : Files) (path : String) : Plainly (remove files path).1 := by
  unfold remove
  repeat' split
  all_goals first | exact plainly_err _ _ | exact plainly_ok (fun _ => nofun) | (rename_i h; exact plainly_blocked h)

theorem plainly_perform (files : Files) (readBlob : String → Option Content) (op : String) (args : List Value) :
    Plainly (perform files readBlob op args).1 := by
  unfold perform
  split
  · exact plainly_ok fun _ => nofun
  · unfold atPath
    split
    · exact plainly_err _ _
    · split
      · exact plainly_err _ _
      · split
        · exact plainly_read _ _ _
        · exact plainly_remove _ _
        · exact plainly_write _ _ _
        · exact plainly_err _ _
  · exact plainly_err _ _

/-- No operation on files is answered with an optional value. -/
theorem perform_ne (files : Files) (readBlob : String → Option Content) (op : String) (args : List Value) (v : Value) :
    (perform files readBlob op args).1 ≠ .some v ∧ (perform files readBlob op args).1 ≠ .ok (.some v) := by
  have ne : "Ok" ≠ "Some" ∧ "Err" ≠ "Some" ∧ "Err" ≠ "Ok" := by decide
  rcases plainly_perform files readBlob op args with ⟨x, h, n⟩ | ⟨code, text, h⟩
  · exact ⟨fun e => ne.1 (Value.con.inj (h.symm.trans e)).1, fun e => n v (List.cons.inj (Value.con.inj (h.symm.trans e)).2).1⟩
  · exact ⟨fun e => ne.2.1 (Value.con.inj (h.symm.trans e)).1, fun e => ne.2.2 (Value.con.inj (h.symm.trans e)).1⟩

end FileOps

namespace M

variable {B : Prop}

namespace Retold

theorem toOwner {m : M} (k : Retold World m) (owner id : Id) (rest : List Id) : Retold World (m.toOwner owner id rest) := by
  unfold M.toOwner
  split
  · next r w hc =>
    have i : m.has owner = true := has_of_code (by rw [hc]; exact nofun)
    have hs : (m.run owner).code.settle = .waiting w := by rw [hc]; rfl
    have handles : ∀ hs' answer, (∀ v, answer ≠ .ok (.some v)) →
        Retold World (({ m with stack := owner :: rest }.setHandles owner hs').reply owner w answer) := fun hs' answer keep => by
      refine ((k.stack (owner :: rest)).setHandles (id := owner) i hs').reply ?_ (fun _ => ?_) _ _ (.inr keep)
      · rw [has_setHandles, beq_self_eq_true, Bool.true_or]
      · rw [run_setHandles_same]; exact hs
    have plain : ∀ answer, (∀ v, answer ≠ .ok (.some v)) →
        Retold World ({ m with stack := owner :: rest }.reply owner w answer) := fun answer keep =>
      (k.stack (owner :: rest)).reply (id := owner) i (fun _ => hs) _ _ (.inr keep)
    have con : ∀ (c : String) (vs : List Value), c ≠ "Some" → ∀ v, Value.ok (.con c vs) ≠ .ok (.some v) := fun c vs h =>
      ok_ne fun v e => h (Value.con.inj e).1
    simp only
    unfold M.stopValue
    split
    · exact handles _ _ (con _ _ (by decide))
    · exact plain _ (con _ _ (by decide))
    · exact plain _ (con _ _ (by decide))
    · split
      · exact plain _ (con _ _ (by decide))
      · exact handles _ _ (con _ _ (by decide))
  · exact k

theorem answerFile {m : M} (w : Wf m B) (a : Apart m) (k : Retold World m) {id : Id} {q : Question} (hq : m.shown id = some q) :
    Retold World (m.answerFile id q) := by
  unfold M.answerFile
  simp only
  have ne := FileOps.perform_ne (m.run q.asked).files m.content q.op q.args
  have keep := And.intro (fun v => (ne v).1) fun v => (ne v).2
  split
  · next s _ _ _ _ _ =>
    have e : Plain m { m with written := (gitBlobHash s, s) :: m.written } B := .written _ .refl
    exact (k.written _).deliver (e.wf w) (id := id) hq (a.shown id q hq) _ _ _ (.inr keep)
  · exact k.deliver w hq (a.shown id q hq) _ _ _ (.inr keep)

theorem atStop {m n : M} (w : Wf m B) (a : Apart m) (k : Retold World m) {id : Id} {rest : List Id} (h : m.atStop id rest = some n) :
    Retold World n := by
  have file : ∀ {n : M}, (match m.shown id with
      | some q => if FileOps.isFileOp q.op then some (m.answerFile id q) else none
      | none => none) = some n → Retold World n := fun h => by
    split at h
    · next hs =>
      split at h
      · cases h; exact k.answerFile w a hs
      · cases h
    · cases h
  unfold M.atStop at h
  split at h
  · split at h
    · cases h; exact k.toOwner _ _ _
    · exact file h
  · exact file h

theorem afterWorld {m : M} (k : Retold World m) (i : m.has .world = true) (id : Id) : Retold World (m.afterWorld id) := by
  unfold M.afterWorld
  split
  · exact k
  · split
    · exact (k.setCode i _ fun x => absurd rfl x).stack _
    · exact k

theorem performAny {m n : M} (w : Wf m B) (named : Named m) (a : Apart m) (k : Retold World m) {asker : Id} {wt : Waiting}
    (o : Open World m asker wt) (p : m.perform asker wt = some n) : Retold World n :=
  k.perform w a o (fun e => k.spawn w o (by rw [e]; decide)) (fun e => k.fork w named a o (by rw [e]; decide)) p

theorem step {m n : M} (w : Wf m) (named : Named m) (a : Apart m) (k : Retold World m) (s : m.step = some n) : Retold World n := by
  have calm := w.calm.resolve_left id
  unfold M.step at s
  split at s
  · cases s
  · next id rest _ =>
    split at s
    · next hc =>
      cases s
      refine k.localMove w a (fun e => ?_) hc
      rw [← e, hc] at calm; exact calm
    · next hc =>
      split at s
      · exact k.performAny w named a ⟨has_of_code (by rw [hc]; exact nofun), fun _ => by rw [hc]; rfl⟩ s
      · exact k.atStop w a s
    · next hc =>
      split at s
      · next hu =>
        cases s
        have wt : Wf m True := w.weaken
        have e := plain_undoStep wt (fun _ => trivial) hc hu
        exact (k.undoStep w a hc hu).afterWorld (e.has wt wt.world) _
      · exact k.atStop w a s
    · exact k.atStop w a s

theorem picked {m : M} (k : Retold World m) {id : Id} {wt : Waiting} (hc : (m.run id).code = .settled (.waiting wt))
    (answer : Value) : Retold World (m.picked id wt answer) := by
  have i : m.has id = true := has_of_code (by rw [hc]; exact nofun)
  have hs : (m.run id).code.settle = .waiting wt := by rw [hc]; rfl
  unfold M.picked
  refine k.recordCode i _ _ fun x => ?_
  have := (k.now id x i).outcome (pickedValue answer wt.args) [] .world
    (Code.settle (resume (pickedValue answer wt.args) wt.stack)).refused (w := wt) hs
  rw [Waiting.leaves_same (by' := .world) (.inr (.inl fun e => nomatch e)), Files.apply_nil] at this
  exact this

theorem answer {m n : M} (w : Wf m) (a : Apart m) (k : Retold World m) {answer : Value} {change : Change}
    (h : m.answer answer change = some n) : Retold World n := by
  have deliver : ∀ {id : Id} {n : M}, (m.shown id).map (fun q => m.deliver id q answer change .world) = some n → Retold World n := by
    intro id n h
    obtain ⟨q, hq, rfl⟩ := Option.map_eq_some_iff.mp h
    exact k.deliver w hq (a.shown id q hq) _ _ _ (.inl nofun)
  unfold M.answer at h
  split at h
  · split at h
    · cases h
    · split at h
      · next wt hc =>
        split at h
        · cases h
          exact k.picked hc _
        · exact deliver h
      · exact deliver h
  · cases h

end Retold

end M

end Shepherd
