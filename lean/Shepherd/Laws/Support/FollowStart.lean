import Shepherd.Laws.Support.FollowSound
import Shepherd.Laws.Support.Deterministic

/-!
# Following a log from its first event
-/

namespace Shepherd

/-- The first entry of every tree's log. -/
def Init.entry (i : Init) : Id × Event :=
  (.root, .start formatVersion i.program.digest i.agent i.args (.list [requestValue i.request]) i.files.hash)

theorem Init.start_entries (i : Init) : i.start.entries = [i.entry] := by
  unfold Init.start M.start
  simp only [M.recordCode_eq, M.entries_record]
  rfl

theorem initOf_complete {i : Init} (good : i.good) {other : Bool} {e : Id × Event} (h : sameEntry other i.entry e = true)
    (rest : Log) : initOf i.program i.contents i.files (e :: rest) = some i := by
  have go : ∀ d, initOf i.program i.contents i.files
      ((.root, .start formatVersion d i.agent i.args (.list [requestValue i.request]) i.files.hash) :: rest) = some i := by
    intro d
    simp only [initOf, good.2]
    rw [if_pos (by rw [good.1]; rfl)]
  rcases eq_of_sameEntry h with rfl | ⟨_, id, v, d, d', agent, args, grant, files, h₁, rfl⟩
  · exact go _
  · unfold Init.entry at h₁
    cases h₁
    exact go _

theorem initOf_sound {P : Program} {contents : String → Option Content} {files : Files} {log : Log} {i : Init}
    (h : initOf P contents files log = some i) : i.program = P ∧ i.contents = contents ∧ i.files = files ∧
      ∃ e rest, log = e :: rest ∧ ∀ other, sameEntry other i.entry e = true → i.good := by
  unfold initOf at h
  split at h
  · next v d agent args grant hash rest =>
    split at h
    · next request hr =>
      split at h
      · next hs =>
        cases h
        refine ⟨rfl, rfl, rfl, _, _, rfl, fun other he => ⟨Option.isNone_iff_eq_none.mp hs, ?_⟩⟩
        rcases eq_of_sameEntry he with he | ⟨_, id, v, d, d', agent, args, grant, files, h₁, h₂⟩
        · unfold Init.entry at he
          cases he
          exact hr
        · unfold Init.entry at h₁
          cases h₁
          cases h₂
          exact hr
      · cases h
    · cases h
  · cases h

theorem follow_mono {other : Bool} {b b' : Nat} (le : b ≤ b') {P : Program} {contents : String → Option Content} {files : Files}
    {log : Log} (h : follow other b P contents files log ≠ .more) :
    follow other b' P contents files log = follow other b P contents files log := by
  unfold follow at h ⊢
  split
  · rfl
  · next i hi =>
    rw [hi] at h
    simp only at h
    split
    · next r hr =>
      rw [hr] at h
      exact followFrom_mono le h
    · rfl
    · rfl

/-- A log that begins as an execution does is followed that far. -/
theorem follow_complete {ω : Oracle} {i : Init} (good : i.good) {m : M} (reached : Reach ω i m) (other : Bool)
    (t s r : Log) (ht : t <+: m.entries) (hs : alike other t s) (hne : s ≠ []) :
    ∃ b₀, ∀ b, b₀ ≤ b →
      (∀ n x, follow other b i.program i.contents i.files (s ++ r) = .only n x → s.length ≤ n) ∧
      (r = [] → ∃ m', follow other b i.program i.contents i.files (s ++ r) = .all m' ∧ FirstWith ω i.start m t m') := by
  obtain ⟨as, h⟩ := reach_iff.mp reached
  cases s with
  | nil => exact absurd rfl hne
  | cons e s => cases t with
    | nil => exact hs.elim
    | cons e' t =>
      have he : e' = i.entry := by
        obtain ⟨u, hu⟩ := M.entries_prefix reached.extends
        obtain ⟨u', hu'⟩ := ht
        rw [← hu, i.start_entries] at hu'
        exact (List.cons.inj hu').1
      subst he
      have hstart : i.start.entries ++ t = i.entry :: t := by rw [i.start_entries]; rfl
      obtain ⟨b₀, hb⟩ := followFrom_complete i.wf h other t s r (by rw [hstart]; exact ht) hs.2
      refine ⟨b₀, fun b le => ?_⟩
      have hf : follow other b i.program i.contents i.files (e :: s ++ r) =
          followFrom other b (e :: s ++ r).length i.start 1 (s ++ r) := by
        unfold follow
        rw [List.cons_append, initOf_complete good hs.1]
        simp only
        have : agree other i.start.entries (e :: (s ++ r)) 0 = .first (s ++ r) := by
          rw [i.start_entries]
          have one : alike other [i.entry] [e] := ⟨hs.1, trivial⟩
          exact agree_first one (s ++ r) 0
        rw [this]
      obtain ⟨ho, ha⟩ := hb b le (e :: s ++ r).length (Nat.le_succ _) 1
      rw [hf]
      refine ⟨fun n x hn => ?_, fun hr => ?_⟩
      · have := ho n x hn
        rw [List.length_cons]; omega
      · obtain ⟨m', hm', fw⟩ := ha hr
        rw [hstart] at fw
        exact ⟨m', hm', fw⟩

/-- What `P` does on `files`, with some well-formed oracle, begins with the log; with `other`, digests of the program apart. -/
def Produces (other : Bool) (P : Program) (contents : String → Option Content) (files : Files) (log : Log) : Prop :=
  ∃ (ω : Oracle) (i : Init) (m : M) (t : Log), ω.wf P ∧ i.good ∧ i.program = P ∧ i.contents = contents ∧ i.files = files ∧
    Reach ω i m ∧ t <+: m.entries ∧ alike other t log

theorem produces_of_path {other : Bool} {i : Init} (good : i.good) {m : M} (p : M.Path i.start m) {t s : Log}
    (ht : t <+: m.entries) (hs : alike other t s) : Produces other i.program i.contents i.files s :=
  ⟨M.oracleOf i.program m, i, m, t, M.oracleOf_wf _ _, good, rfl, rfl, rfl, p.reach .start, ht, hs⟩

/-- What was followed can be produced. -/
theorem follow_sound {other : Bool} {b : Nat} {P : Program} {contents : String → Option Content} {files : Files} {log : Log} :
    (∀ m, follow other b P contents files log = .all m → Produces other P contents files log) ∧
    (∀ n x, follow other b P contents files log = .only n x → ∃ s r, log = s ++ r ∧ n = s.length ∧
      (log ≠ [] → r ≠ []) ∧ (s = [] ∨ Produces other P contents files s)) := by
  unfold follow
  split
  · refine ⟨fun m h => (nomatch h), fun n x h => ?_⟩
    cases h
    exact ⟨[], log, rfl, rfl, id, .inl rfl⟩
  · next i hi =>
    obtain ⟨rfl, rfl, rfl, e, rest, rfl, hgood⟩ := initOf_sound hi
    rw [i.start_entries]
    have hentries : ∀ {t : Log} {m' : M}, i.start.entries ++ t <+: m'.entries → i.entry :: t <+: m'.entries := by
      intro t m' h
      rw [i.start_entries] at h
      exact h
    split
    · next r hr =>
      obtain ⟨s, hs, ha⟩ := of_agree_first hr
      cases s with
      | nil => exact ha.elim
      | cons e' s =>
        have hnil : s = [] := by
          cases s with
          | nil => rfl
          | cons y ys => exact ha.2.elim
        subst hnil
        cases hs
        have good := hgood other ha.1
        have k := followFrom_sound (other := other) (b := b) (fuel := (e :: r).length) i.wf (done := 1) (rest := r)
        refine ⟨fun m h => ?_, fun n x h => ?_⟩
        · obtain ⟨p, t, ht, hat⟩ := k.1 m h
          exact produces_of_path good p (hentries ht) ⟨ha.1, hat⟩
        · obtain ⟨m', s', r', t, p, hr', hne, hn, ht, hat⟩ := k.2 n x h
          refine ⟨e :: s', r', by rw [hr']; rfl, by rw [hn, List.length_cons, Nat.add_comm], fun _ => hne, .inr ?_⟩
          exact produces_of_path good p (hentries ht) ⟨ha.1, hat⟩
    · next hr =>
      obtain ⟨t, y, u, hsplit, ha⟩ := of_agree_second hr
      cases t with
      | nil => exact ha.elim
      | cons z t =>
        have := congrArg List.length hsplit
        simp only [List.length_append, List.length_cons, List.length_nil] at this
        omega
    · next k z hr =>
      obtain ⟨t, u, s, r, hsplit, hlog, _, ha, hn⟩ := of_agree_differ hr
      refine ⟨fun m h => (nomatch h), fun n x h => ?_⟩
      cases h
      cases t with
      | nil => cases s with
        | nil => exact ⟨[], e :: rest, rfl, by rw [hn]; rfl, id, .inl rfl⟩
        | cons y ys => exact ha.elim
      | cons y t =>
        have := congrArg List.length hsplit
        simp only [List.length_append, List.length_cons, List.length_nil] at this
        omega

end Shepherd
