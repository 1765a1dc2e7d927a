import Shepherd.Laws.CompensationOrder.Steps
import Shepherd.Laws.Support.Perform

/-!
# Steps that take nothing back: runs that change their owner, and new runs
-/

namespace Shepherd

namespace M

namespace Good

variable {R : Regions} {m : M} {a : Id} {rest : List Id}

/-- What the active run owns is not on the stack. -/
theorem kid_off (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) {id : Id}
    (ho : (m.run id).owner = some a) : ∀ y ∈ a :: rest, id ≠ y := by
  intro y hy
  have p := g.path
  rw [h] at p
  rcases List.mem_cons.mp hy with rfl | hy
  · exact (g.ne_kid h hc ho).symm
  · rintro rfl
    obtain ⟨_, x, w, hx⟩ := p.above g.top ((p.drivers id hy).trans (.own ho))
    rw [hc] at hx; cases hx

theorem run_own_code (m : M) (id o : Id) (gs : List Id) (y : Id) : ((m.own id o gs).run y).code = (m.run y).code := by
  rw [run_own]; split
  · next e => subst e; rfl
  · rfl

theorem run_own_handles (m : M) (id o : Id) (gs : List Id) (y : Id) : ((m.own id o gs).run y).handles = (m.run y).handles := by
  rw [run_own]; split
  · next e => subst e; rfl
  · rfl

/-- What the active run owns gets another owner. -/
theorem own (g : Good R m) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c) {id : Id}
    (ho : (m.run id).owner = some a) (nw : a ≠ .world) (o : Id) (gs : List Id) : Good R (m.own id o gs) := by
  have nr : id ≠ .root := fun e => by rw [e, g.root] at ho; exact nw (Option.some.inj ho).symm
  have other : ∀ y, id ≠ y → (m.own id o gs).run y = m.run y := fun y e => run_own_ne m o gs e
  have codes := run_own_code m id o gs
  have traces := trace_own m id o gs
  refine ⟨?_, ?_, ?_, ?_, (run_own_handles m id o gs _).trans g.table, by rw [codes]; exact g.world⟩
  · refine g.unwinds.one (id := id) rfl other (g.kid_free h (by rw [hc]; exact nofun) ho) (fun u p => by rw [codes]) ?_ ?_ ?_ (.inl ?_)
    · rw [traces]; exact g.unwinds.fine id
    · rw [traces, codes]; exact g.unwinds.waits id
    · intro chain op args w hw
      rw [codes] at hw
      obtain ⟨k, q, rfl, hk, hs, rfl, rfl⟩ := g.unwinds.passes id chain op args w hw (.inr rfl)
      have ne : id ≠ k := by
        rintro rfl
        rw [ho] at hk
        exact g.ne_kid h hc ho (Option.some.inj hk)
      exact ⟨k, q, rfl, by rw [other k ne]; exact hk, (shown_congr (codes k)).trans hs, rfl, rfl⟩
    · intro b hb chain op args w hp
      rw [ho] at hb
      cases hb
      rw [hc] at hp; cases hp
  · show Drives _ m.stack
    have p := g.path
    rw [h] at p ⊢
    exact p.congr (fun y hy => by rw [other y (g.kid_off h hc ho y hy)]) fun y _ => codes y
  · rw [other _ (g.ne_world ho)]; exact g.top
  · rw [other _ nr]; exact g.root

theorem giveBack (g : Good R m) (f : Runs.Forest m.runs) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c)
    (nw : a ≠ .world) : Good R (m.giveBack a) := by
  unfold M.giveBack
  have nodup := Runs.nodup_kids f a
  have owned : ∀ k ∈ m.kids a, (m.run k).owner = some a := fun k hk => (Runs.mem_kids_iff f.nodup).mp hk
  have go : ∀ (l : List Id) (n : M), Good R n → n.stack = a :: rest → (n.run a).code = .settled c → l.Nodup →
      (∀ k ∈ l, (n.run k).owner = some a) → Good R (l.foldl (fun m k => match (m.run k).givers with
        | g :: gs => m.own k g gs
        | [] => m) n) := by
    intro l
    induction l with
    | nil => exact fun n g _ _ _ _ => g
    | cons k l ih =>
      intro n g h hc hn ho
      rw [List.foldl_cons]
      have hn := List.nodup_cons.mp hn
      have rest' : ∀ j ∈ l, (n.run j).owner = some a := fun j hj => ho j (List.mem_cons_of_mem _ hj)
      split
      · next x xs _ =>
        refine ih _ (g.own h hc (ho k List.mem_cons_self) nw x xs) h ((run_own_code n k x xs a).trans hc) hn.2 fun j hj => ?_
        rw [run_own_ne n x xs fun e : k = j => hn.1 (e ▸ hj)]; exact rest' j hj
      · exact ih n g h hc hn.2 rest'
  exact go _ m g h hc nodup owned

theorem forest_record {m : M} {id : Id} (f : Runs.Forest m.runs) (i : m.has id = true) (event : Event) (s : State) :
    Runs.Forest (m.record id event s).runs where
  nodup := by
    show ((m.record id event s).runs.map Run.id).Nodup
    rw [ids_record i]; exact f.nodup
  owner := fun x o h => f.owner x o (by
    have := owner_record m id event s x
    rw [M.run, M.run] at this
    rw [← this]; exact h)

/-- The active run ends, and what it was lent goes back. -/
theorem ended (g : Good R m) (f : Runs.Forest m.runs) (h : m.stack = a :: rest) {c : Settled} (hc : (m.run a).code = .settled c)
    (i : m.has a = true) (nw : a ≠ .world) (kind : EndKind) (v : Value) (t : Settled) (ht : ∀ w, t ≠ .waiting w) :
    Good R ((m.recordCode a (.ended kind v) (.settled t)).giveBack a) := by
  refine (g.recordCode h hc (.ended kind v) (fun _ _ _ => nofun) (fun w hw => absurd hw (ht w))).giveBack (forest_record f i _ _) h (c := t) ?_ nw
  rw [run_recordCode_same]

/-! ## New runs -/

/-- A run is put in that nobody knows of yet. -/
theorem born (g : Good R m) (r : Run) (new : m.has r.id = false) (ne : r.id ≠ .world) (ne' : r.id ≠ .root) (off : r.id ∉ m.stack) (t : Settled)
    (code : r.code = .settled t) (fine : Fine m.program r.id r.trace) (waits : Waits r.trace r.code) :
    Good R (m.put r) := by
  have absent : m.run r.id = Run.absent r.id := run_of_not_has new
  have other : ∀ y, r.id ≠ y → (m.put r).run y = m.run y := fun y e => run_put_ne m e
  have same := run_put_same m r
  have free : ¬ m.Taken R r.id := by
    rintro ⟨b, u, o, hb, hr⟩
    rcases Classical.em (r.id = u.run) with e | e
    · have := g.unwinds.owns b u o hb
      rw [← e, absent] at this; cases this
    · obtain ⟨z, hz, _⟩ := (g.unwinds.region b u o hb).closed _ hr e
      rw [absent] at hz; cases hz
  refine ⟨?_, ?_, ?_, ?_, ?_, ?_⟩
  · refine g.unwinds.one (id := r.id) rfl other free (fun u o => ?_) ?_ ?_ ?_ (.inl fun b hb => ?_)
    · rw [same, code, absent]; exact ⟨nofun, nofun⟩
    · rw [same]; exact fine
    · rw [same]; exact fun _ => waits
    · intro chain op args w hw
      rw [same, code] at hw; cases hw
    · rw [absent] at hb; cases hb
  · show Drives _ m.stack
    refine g.path.congr (fun y hy => by rw [other y fun e => off (e ▸ hy)]) fun y hy => ?_
    rw [other y fun e => off (e ▸ List.mem_of_mem_tail hy)]
  · rw [other _ ne]; exact g.top
  · rw [other _ ne']; exact g.root
  · rw [other _ ne]; exact g.table
  · rw [other _ ne]; exact g.world

end Good

end M

end Shepherd
