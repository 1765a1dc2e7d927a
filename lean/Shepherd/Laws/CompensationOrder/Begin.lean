import Shepherd.Laws.CompensationOrder.Plans

/-!
# Taking back begins
-/

namespace Shepherd

namespace M

/-- The regions, with that of a run that begins to take back. -/
def Regions.with (R : Regions) (a : Id) (region : Id → Prop) : Regions := fun b x => (b = a ∧ region x) ∨ (b ≠ a ∧ R b x)

theorem Regions.with_self (R : Regions) (a : Id) (region : Id → Prop) (x : Id) : R.with a region a x ↔ region x :=
  ⟨fun h => h.elim (fun h => h.2) fun h => absurd rfl h.1, fun h => .inl ⟨rfl, h⟩⟩

theorem Regions.with_ne (R : Regions) {a b : Id} (ne : b ≠ a) (region : Id → Prop) (x : Id) : R.with a region b x ↔ R b x :=
  ⟨fun h => h.elim (fun h => absurd h.1 ne) fun h => h.2, fun h => .inr ⟨ne, h⟩⟩

theorem Region.iff {m : M} {p q : Id → Prop} {r : Id} (h : m.Region p r) (e : ∀ x, q x ↔ p x) : m.Region q r :=
  ⟨(e _).mpr h.top, fun x hx => h.within x ((e x).mp hx), fun x hx ne => by
    obtain ⟨o, h₁, h₂⟩ := h.closed x ((e x).mp hx) ne
    exact ⟨o, h₁, (e o).mpr h₂⟩⟩

theorem Live.iff {m : M} {p q : Id → Prop} {u : Undoing} (h : m.Live p u) (e : ∀ x, q x ↔ p x) : m.Live q u :=
  ⟨h.sorted, h.once, fun d => by rw [h.owed]; unfold Owed; rw [e], h.raised⟩

/-- What a run takes back: all that stands below, when it begins. -/
theorem region_within (m : M) (r : Id) : m.Region (m.Covers r) r where
  top := .inl rfl
  within := fun _ h => h
  closed := fun x hx ne => by
    rcases hx with e | h
    · exact absurd e ne
    · cases h with
      | own h => exact ⟨r, h, .inl rfl⟩
      | up h g => exact ⟨_, h, .inr g⟩

theorem plan_eq {m : M} {id : Id} {to : Option Nat} {p : Plan} (h : m.plan id to = .ok p) : ∃ hs, p = m.planFor id to hs ∧
    ((to = none ∧ hs = []) ∨ ∃ k c, to = some k ∧ (m.run id).trace.nth k = some c ∧ hs = m.heads id c ∧
      ∀ h ∈ m.heads id c, m.isBelow h.id id = true) := by
  unfold plan at h
  split at h
  · cases h; exact ⟨[], rfl, .inl ⟨rfl, rfl⟩⟩
  · next k =>
    simp only at h
    split at h
    · cases h
    · next c hc =>
      split at h
      · cases h
      · next hm =>
        split at h
        · cases h
        · cases h
          refine ⟨_, rfl, .inr ⟨k, c, rfl, hc, rfl, fun x hx => ?_⟩⟩
          simp only [Bool.not_eq_true', Bool.not_eq_false, List.isEmpty_iff, moved, List.filter_eq_nil_iff] at hm
          have := hm x hx
          simp only [Bool.and_eq_true] at this
          exact this.2

/-- How taking back starts. -/
def undoingOf (id : Id) (to : Option Nat) (p : Plan) : Undoing :=
  { run := id, to, todo := p.debts, raised := false, paid := [], failed := p.unknown, undone := p.undone, lasting := p.irreversible }

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- The active run begins to take back one that it owns. -/
theorem begin (g : Good R m) (w : Wf m True) (td : Tied m) (nm : Named m) (seen : Seen m) (h : m.stack = a :: rest) {c : Settled}
    (hc : (m.run a).code = .settled c) {id : Id} (ho : (m.run id).owner = some a) (root : a = .world → id = .root) {origin : Settled}
    (waits : Waits (m.run a).trace (.settled origin)) {to : Option Nat} {n : M} (hb : m.begin a origin id to = .ok n) :
    Good (R.with a (m.Covers id)) n ∧ n.stack = m.stack ∧ ∃ u, (n.run a).code = .undoing u origin ∧ u.run = id := by
  have f := td.forest
  unfold M.begin at hb
  split at hb
  · cases hb
  · next p hp =>
    injection hb with hb
    obtain ⟨hs, rfl, hto⟩ := plan_eq hp
    replace hb : (m.abandon id).setCode a (.undoing (undoingOf id to (m.planFor id to hs)) origin) = n := hb
    generalize hu : undoingOf id to (m.planFor id to hs) = u at hb
    have urun : u.run = id := by rw [← hu]; rfl
    have uto : u.to = to := by rw [← hu]; rfl
    have utodo : u.todo = (m.planFor id to hs).debts := by rw [← hu]; rfl
    have uraised : u.raised = false := by rw [← hu]; rfl
    have nodup : (m.family id).Nodup := by
      unfold family
      refine List.nodup_append.mpr ⟨td.nodup_below _, List.pairwise_singleton _ _, fun x hx y hy => ?_⟩
      rw [List.mem_singleton.mp hy]
      exact (td.mem_below.mp hx).ne f
    have mem : ∀ x, x ∈ m.family id ↔ m.Covers id x := fun x => td.mem_family
    have nw : ∀ y ∈ m.family id, y ≠ .world := fun y hy => by
      rcases (mem y).mp hy with rfl | hy
      · exact g.ne_world ho
      · cases hy with
        | own h => exact g.ne_world h
        | up h _ => exact g.ne_world h
    obtain ⟨d₁, d₂, d₃, d₄⟩ := dropped_all g.unwinds nw nodup
    have k := g.unwinds
    have path := g.path
    rw [h] at path
    -- Who takes back is above all that is taken back.
    have below : ∀ x, m.Covers id x → Runs.Below m.runs x a := fun x hx => hx.below ho
    have out : ¬ m.Covers id a := fun h => absurd rfl ((below a h).ne f)
    have runA : n.run a = { m.run a with code := .undoing u origin } := by
      have e : (m.abandon id).run a = m.run a := d₂ a fun hx => out ((mem a).mp hx)
      rw [← hb, run_setCode_same, e]
    have runIn : ∀ y, m.Covers id y → Dropped m y (n.run y) := fun y hy => by
      rw [← hb, run_setCode_ne _ _ fun e : a = y => out (e ▸ hy)]
      exact d₁ y ((mem y).mpr hy)
    have runOut : ∀ y, y ≠ a → ¬ m.Covers id y → n.run y = m.run y := fun y ne hy => by
      rw [← hb, run_setCode_ne _ _ ne.symm]
      exact d₂ y fun hx => hy ((mem y).mp hx)
    have prog : n.program = m.program := by rw [← hb]; exact d₃
    have stack : n.stack = m.stack := by rw [← hb]; exact d₄
    have codeA : (n.run a).code = .undoing u origin := by rw [runA]
    have three : ∀ {p : Id → Prop}, p a → (∀ y, m.Covers id y → p y) → (∀ y, y ≠ a → ¬ m.Covers id y → p y) → ∀ y, p y :=
      fun {p} h₁ h₂ h₃ y => by
        rcases Classical.em (m.Covers id y) with e | e
        · exact h₂ y e
        · rcases Classical.em (y = a) with e' | e'
          · exact e' ▸ h₁
          · exact h₃ y e' e
    have owners : ∀ y, (n.run y).owner = (m.run y).owner :=
      three (by rw [runA]) (fun y hy => (runIn y hy).owner) fun y h₁ h₂ => by rw [runOut y h₁ h₂]
    have undoing : ∀ b v q, b ≠ a → (n.run b).code = .undoing v q → (m.run b).code = .undoing v q := fun b v q ne hv => by
      rcases Classical.em (m.Covers id b) with e | e
      · exact (runIn b e).undoing v q hv
      · rw [runOut b ne e] at hv; exact hv
    -- What is taken back by one that is not itself taken back now, is elsewhere.
    have sealed' : ∀ b v q, (m.run b).code = .undoing v q → ∀ x, R b x → m.Covers id x → m.Covers id b := by
      intro b v q hv x hx hi
      rcases meet f ho (k.owns b v q hv) hi ((k.region b v q hv).within x hx) with e | ⟨_, e⟩ | ⟨e, _⟩
      · subst e; rw [hc] at hv; cases hv
      · obtain ⟨_, y, w', hy⟩ := path.above g.top e
        rw [hv] at hy; cases hy
      · exact e
    have free := g.free h
    have heldOf : ∀ x, m.Taken R x → ¬ m.Covers id x → n.Taken (R.with a (m.Covers id)) x := by
      rintro x ⟨b, v, q, hv, hx⟩ hi
      have ne : b ≠ a := fun e => by rw [e, hc] at hv; cases hv
      have nb : ¬ m.Covers id b := fun hb' => hi (by
        have := (k.region b v q hv).within x hx
        rcases this.below (k.owns b v q hv) with _ | _
        all_goals
          rcases hb' with rfl | hb'
          · exact .inr (this.below (k.owns b v q hv))
          · exact .inr ((this.below (k.owns b v q hv)).trans hb'))
      exact ⟨b, v, q, by rw [runOut b ne nb]; exact hv, (Regions.with_ne R ne _ x).mpr hx⟩
    have ofHeld : ∀ x, n.Taken (R.with a (m.Covers id)) x → m.Covers id x ∨ m.Taken R x := by
      rintro x ⟨b, v, q, hv, hx⟩
      rcases Classical.em (b = a) with e | e
      · subst e; exact .inl ((Regions.with_self R _ _ x).mp hx)
      · exact .inr ⟨b, v, q, undoing b v q e hv, (Regions.with_ne R e _ x).mp hx⟩
    refine ⟨⟨⟨?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_, ?_⟩, ?_, (owners _).trans g.top, (owners _).trans g.root, ?_, ?_⟩, stack, u, codeA, urun⟩
    · rw [prog]
      exact three (by rw [runA]; exact k.fine a) (fun y hy => (runIn y hy).fine) fun y h₁ h₂ => by rw [runOut y h₁ h₂]; exact k.fine y
    · exact three (by rw [runA]; exact fun _ => waits) (fun y hy _ w' hw => absurd hw ((runIn y hy).idle w'))
        fun y h₁ h₂ => by rw [runOut y h₁ h₂]; exact k.waits y
    · intro b v q hv
      rw [owners]
      rcases Classical.em (b = a) with e | e
      · subst e
        rw [codeA] at hv
        cases hv
        rw [urun]; exact ho
      · exact k.owns b v q (undoing b v q e hv)
    · intro b v q hv
      rcases Classical.em (b = a) with e | e
      · subst e
        rw [codeA] at hv
        cases hv
        rw [urun]
        exact ((region_within m id).congr fun x _ => owners x).iff (Regions.with_self R _ _)
      · exact ((k.region b v q (undoing b v q e hv)).congr fun x _ => owners x).iff (Regions.with_ne R e _)
    · intro b v q hv k' e hto' hnth y hy
      have stays : ∀ {v q}, (m.run b).code = .undoing v q → v.to = some k' → (n.run v.run).trace.nth k' = some e →
          (m.run v.run).trace.nth k' = some e := fun {v q} hv hto' hnth => by
        have cu := w.codes b
        rw [hv] at cu
        obtain ⟨e', he', _⟩ := cu.2.2.2 k' hto'
        have grown : (n.run v.run).trace.nth k' = some e' := by
          rcases Classical.em (m.Covers id v.run) with hi | hi
          · obtain ⟨s, hs'⟩ := (runIn _ hi).grew
            have ix := (runIn _ hi).indexed (w.indexed _)
            rw [hs'] at ix ⊢
            exact Trace.nth_append ix he'
          · rcases Classical.em (v.run = a) with e | e
            · rw [e] at he' ⊢
              rw [runA]; exact he'
            · rw [runOut _ e hi]; exact he'
        rw [grown] at hnth
        exact hnth ▸ he'
      rcases Classical.em (b = a) with eb | eb
      · subst eb
        rw [codeA] at hv
        cases hv
        refine (Regions.with_self R _ _ _).mpr ?_
        rw [urun] at hnth ⊢
        rcases hto with ⟨e₁, _⟩ | ⟨k₁, c', e₁, e₂, _, e₄⟩
        · rw [uto, e₁] at hto'; cases hto'
        · rw [uto, e₁] at hto'
          cases hto'
          have : (n.run id).trace.nth k' = some c' := by
            obtain ⟨s, hs'⟩ := (runIn id (.inl rfl)).grew
            have ix := (runIn id (.inl rfl)).indexed (w.indexed _)
            rw [hs'] at ix ⊢
            exact Trace.nth_append ix e₂
          rw [this] at hnth
          cases hnth
          obtain ⟨t, ht, hid, _⟩ := heads_id (m := m) (id := id) hy
          rw [← hid]
          exact .inr (td.isBelow.mp (e₄ t ht))
      · have hv := undoing b v q eb hv
        exact (Regions.with_ne R eb _ _).mpr (k.heads b v q hv k' e hto' (stays hv hto' hnth) y hy)
    · intro b b' v v' q q' x hv hv' hx hx'
      rcases Classical.em (b = a) with e | e
      · rcases Classical.em (b' = a) with e' | e'
        · exact .inl (e.trans e'.symm)
        · subst e
          have hx := (Regions.with_self R _ _ x).mp hx
          have hx' := (Regions.with_ne R e' _ x).mp hx'
          exact .inr (.inr ((Regions.with_self R _ _ b').mpr (sealed' b' v' q' (undoing b' v' q' e' hv') x hx' hx)))
      · rcases Classical.em (b' = a) with e' | e'
        · subst e'
          have hx' := (Regions.with_self R _ _ x).mp hx'
          have hx := (Regions.with_ne R e _ x).mp hx
          exact .inr (.inl ((Regions.with_self R _ _ b).mpr (sealed' b v q (undoing b v q e hv) x hx hx')))
        · rcases k.nested b b' v v' q q' x (undoing b v q e hv) (undoing b' v' q' e' hv') ((Regions.with_ne R e _ x).mp hx)
            ((Regions.with_ne R e' _ x).mp hx') with h | h | h
          · exact .inl h
          · exact .inr (.inl ((Regions.with_ne R e' _ b).mpr h))
          · exact .inr (.inr ((Regions.with_ne R e _ b').mpr h))
    · intro b v q hv
      rcases Classical.em (b = a) with e | e
      · subst e
        rw [codeA] at hv
        cases hv
        right
        have kept : ∀ x, keptFrom u.run u.to hs x = m.keptOf u x := fun x => by
          rcases hto with ⟨e₁, e₂⟩ | ⟨k', c', e₁, e₂, e₃, _⟩
          · unfold keptFrom keptOf
            rw [uto, e₁]
          · rw [uto, e₁, e₃, urun]
            have := keptFrom_eq nm seen (u := u) (uto.trans e₁) (urun ▸ e₂) x
            rw [urun] at this; exact this
        obtain ⟨p₁, p₂, p₃⟩ := planFor_owed k td w.indexed kept
        rw [urun, uto, ← utodo] at p₁ p₂ p₃
        refine Live.iff (p := m.Covers id) ⟨p₁, p₂, fun d => ?_, fun hr => by rw [uraised] at hr; cases hr⟩ (Regions.with_self R _ _)
        rw [p₃]
        unfold Owed
        refine and_congr_right fun hi => ?_
        have dr := runIn d.run hi
        have hk : n.keptOf u d.run = m.keptOf u d.run := by
          unfold keptOf
          rcases hto with ⟨e₁, _⟩ | ⟨k', c', e₁, e₂, _⟩
          · rw [uto, e₁]
          · obtain ⟨s, hs'⟩ := (runIn id (.inl rfl)).grew
            rw [uto, e₁, urun]
            simp only
            have ix : Trace.Indexed (n.run id).trace := (runIn id (.inl rfl)).indexed (w.indexed id)
            rw [e₂]
            have : (n.run id).trace.nth k' = some c' := by
              rw [hs'] at ix ⊢
              exact Trace.nth_append ix e₂
            rw [this]
        rw [hk, prog, dr.shows, dr.repaid]
      · have hv := undoing b v q e hv
        rcases Classical.em (m.Covers id b) with e' | e'
        · exact .inl ⟨a, u, origin, codeA, (Regions.with_self R _ _ b).mpr e'⟩
        · refine (k.live b v q hv).imp (fun h => heldOf b h e') fun l => ?_
          refine Live.iff (l.congr prog (k.region b v q hv).top fun x hx => ?_) (Regions.with_ne R e _)
          have nx : ¬ m.Covers id x := fun hi => e' (sealed' b v q hv x hx hi)
          rcases Classical.em (x = a) with e'' | e''
          · rw [e'', runA]
          · rw [runOut x e'' nx]
    · intro x hx w' hw
      rcases Classical.em (m.Covers id x) with e | e
      · exact (runIn x e).idle w' hw
      · have hx := (ofHeld x hx).resolve_left e
        rw [runOut x (fun e => free (e ▸ hx)) e] at hw
        exact k.idle x hx w' hw
    · intro b chain op args w' hw _
      have nb : ¬ m.Covers id b := fun e => (runIn b e).idle w' (by rw [hw]; rfl)
      have ne : b ≠ a := fun e => by rw [e, codeA] at hw; cases hw
      rw [runOut b ne nb] at hw
      obtain ⟨x, q, rfl, hx, hq, rfl, rfl⟩ := k.passes b chain op args w' hw (.inr rfl)
      have ox := owners x
      have nx : ¬ m.Covers id x := fun hi => by
        rcases hi with rfl | hi
        · rw [ho] at hx; exact ne (Option.some.inj hx).symm
        · rcases above_owner hx hi with e | e
          · exact nb (.inl e.symm)
          · exact nb (.inr e)
      have na : x ≠ a := fun e => by
        subst e
        exact g.alone h b hx _ _ _ _ hw
      exact ⟨x, q, rfl, ox.trans hx, (shown_congr (by rw [runOut x na nx])).trans hq, rfl, rfl⟩
    · rw [stack, h]
      refine path.congr (fun y _ => owners y) fun y hy => ?_
      have up := path.drivers y hy
      rw [runOut y (fun e => absurd rfl ((e ▸ up : Runs.Below m.runs a a).ne f)) fun hi => absurd rfl ((up.trans (below y hi)).ne f)]
    · exact three (p := fun y => y = .world → (n.run y).handles = [.root]) (fun e => by rw [runA]; exact e ▸ g.table)
        (fun y hy e => by rw [(runIn y hy).handles]; exact e ▸ g.table) (fun y h₁ h₂ e => by rw [runOut y h₁ h₂]; exact e ▸ g.table) .world rfl
    · intro v q hv
      rcases Classical.em (Id.world = a) with e | e
      · subst e
        rw [codeA] at hv
        cases hv
        rw [urun]; exact root rfl
      · exact g.world v q (undoing .world v q e hv)

end Good

end M

end Shepherd
