import Shepherd.Check
import Shepherd.Laws.CheckSound.Weight
import Shepherd.Laws.Support.FollowStart

/-!
# The bound on steps that record nothing is enough

So following a log is decided: with that bound it never says that it needs more.
-/

namespace Shepherd

namespace M

/-! ## From one event to the next -/

theorem advance_decides {m : M} (wf : Wf m) (k : m.Whole) {b : Nat} (h : m.weight < b) : m.advance b ≠ .more := by
  induction b generalizing m with
  | zero => exact absurd h (Nat.not_lt_zero _)
  | succ b ih =>
    simp only [advance]
    cases s : m.step with
    | none => exact nofun
    | some n =>
      simp only
      split
      · exact nofun
      · next l =>
        have f := follows_step wf s
        have e : n.size = m.size := Nat.le_antisymm (Nat.le_of_not_lt l) f.2.size_le
        rcases quiet_step wf k.inv.path s e with lighter | ⟨some', loud⟩
        · exact ih f.1 (k.step wf s) (by omega)
        · cases b with
          | zero => omega
          | succ b =>
            simp only [advance]
            cases s' : n.step with
            | none => exact nofun
            | some p => simp only [loud p s', if_true]; exact nofun

/-- There are no more runs than entries of the log, but for the outermost owner: each has recorded something. -/
theorem runs_le {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : m.runs.length ≤ m.log.length + 1 := by
  have wf := (h.follows i.wf).1
  have nodup := h.whole.inv.sound.nodup
  have known : ∀ y ∈ m.runs.map Run.id, y ∈ Id.world :: m.log.map Commit.run := fun y hy => by
    by_cases ne : y = .world
    · rw [ne]; exact List.mem_cons_self
    · obtain ⟨r, hr, hi⟩ := List.mem_map.mp hy
      obtain ⟨some', _, last⟩ := h.allMarked y ((Runs.has_iff _ _).mpr ⟨r, hr, hi⟩) ne
      cases ht : (m.run y).trace with
      | nil => exact absurd ht some'
      | cons c t =>
        have hc : c ∈ (m.run y).trace.filter fun c => c.run == y :=
          List.mem_filter.mpr ⟨by rw [ht]; exact List.mem_cons_self, beq_iff_eq.mpr (last c t ht)⟩
        rw [wf.own] at hc
        exact List.mem_cons_of_mem _ (List.mem_map.mpr ⟨c, (List.mem_filter.mp hc).1, last c t ht⟩)
  have := length_le_of_nodup nodup known
  rw [List.length_map, List.length_cons, List.length_map] at this
  exact this

theorem weight_lt {ω : Oracle} {i : Init} {m : M} (h : After ω i.start m) : m.weight < quietBound i.program m.log.length := by
  have hp : m.program = i.program := (h.follows i.wf).2.program
  have hw := weight_le m
  have hr := runs_le h
  unfold quietBound
  rw [hp] at hw
  omega

theorem quietBound_mono {P : Program} {a b : Nat} (h : a ≤ b) : quietBound P a ≤ quietBound P b := by
  unfold quietBound
  omega

/-! ## Along a log -/

theorem Path.snoc {m n p : M} (h : Path m n) (g : Moves n p) : Path m p := by
  induction h with
  | nil => exact .cons g (.nil p)
  | cons d _ k => exact .cons d (k g)

theorem move_decides {i : Init} {m : M} (h : Path i.start m) {b : Nat} (le : quietBound i.program m.log.length ≤ b) (e : Id × Event)
    (rest : Log) : m.move b (e :: rest) ≠ .more := by
  have after := (h.reach .start).after
  have wf := (after.follows i.wf).1
  have d := advance_decides wf after.whole (Nat.lt_of_lt_of_le (weight_lt after) le)
  simp only [move]
  split
  · exact nofun
  · split
    · exact nofun
    · next h => exact absurd h d
    · split <;> exact nofun

end M

theorem followFrom_decides {other : Bool} {i : Init} {b fuel : Nat} {m : M} {done : Nat} {rest : Log} (path : M.Path i.start m)
    (le : quietBound i.program (m.log.length + rest.length) ≤ b) (enough : rest.length ≤ fuel) :
    followFrom other b fuel m done rest ≠ .more := by
  induction fuel generalizing m done rest with
  | zero =>
    cases rest with
    | nil => exact nofun
    | cons e rest => exact absurd enough (Nat.not_succ_le_zero _)
  | succ fuel ih =>
    cases rest with
    | nil => exact nofun
    | cons e rest =>
      simp only [followFrom]
      split
      · next hm => exact absurd hm (M.move_decides path (Nat.le_trans (M.quietBound_mono (Nat.le_add_right _ _)) le) e rest)
      · exact nofun
      · next n hn =>
        have wf := ((path.reach .start).after.follows i.wf).1
        have g := M.move_sound wf hn
        have f := g.follows wf
        split
        · next r hr =>
          obtain ⟨s, hs, ha⟩ := of_agree_first hr
          have hlen := congrArg List.length hs
          rw [List.length_append, ← ha.length] at hlen
          have hmade := congrArg List.length (M.entries_since f.2)
          rw [List.length_append, M.entries_length, M.entries_length] at hmade
          have lt : m.log.length < n.log.length := by
            have := (g.next wf (.refl n)).size_lt wf
            rw [← wf.size, ← f.1.size]; exact this
          refine ih (path.snoc g) ?_ (by omega)
          rw [show n.log.length + r.length = m.log.length + (e :: rest).length by omega]
          exact le
        · exact nofun
        · exact nofun

/-- Following a log never needs more than the bound: it says how far the program follows. -/
theorem follow_decides {other : Bool} {b : Nat} {P : Program} {contents : String → Option Content} {files : Files} {log : Log}
    (le : quietBound P log.length ≤ b) : follow other b P contents files log ≠ .more := by
  unfold follow
  split
  · exact nofun
  · next i hi =>
    obtain ⟨rfl, _, _, _⟩ := initOf_sound hi
    split
    · next r hr =>
      obtain ⟨s, hs, ha⟩ := of_agree_first hr
      have hlen := congrArg List.length hs
      rw [List.length_append, ← ha.length, M.entries_length] at hlen
      refine followFrom_decides (.nil _) ?_ (by omega)
      rw [← hlen]; exact le
    · exact nofun
    · exact nofun

end Shepherd
