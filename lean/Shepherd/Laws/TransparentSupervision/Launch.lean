import Shepherd.Laws.TransparentSupervision.Course

/-!
# A run is lent to a supervisor that only passes
-/

namespace Shepherd

open Id (MayOwn Over)

theorem hold_get (table : List Id) (id : Id) : (hold table id).1[(hold table id).2]? = some id := by
  unfold hold
  split
  · next i h =>
    obtain ⟨l, e, _⟩ := List.findIdx?_eq_some_iff_getElem.mp h
    rw [List.getElem?_eq_getElem l, beq_iff_eq.mp e]
  · rw [List.getElem?_append_right (Nat.le_refl _), Nat.sub_self]
    rfl

namespace M

variable {G : Field} {m n : M}

/-- A run outside of the marked ones is born, owned by one of these. -/
theorem Beside.born (b : Beside G m n) {r : Run} (g : G r.id = false) (nw : r.id ≠ .world) (ho : ∀ o, r.owner = some o → G o = false) :
    Beside G m (n.put r) :=
  b.trans
    { program := rfl, contents := rfl, written := rfl, used := rfl, size := Nat.le_refl _
      up := fun x o _ h go => by
        rw [run_put] at h
        split at h
        · rw [ho o h] at go; cases go
        · exact h
      ids := by
        show ((Runs.put n.runs r).map Run.id).filter G.mark = _
        rw [Runs.ids_put]
        split
        · rfl
        · rw [List.filter_append, List.filter_cons_of_neg (by rw [g]; exact Bool.false_ne_true), List.filter_nil, List.append_nil]
      runs := fun x gx => by
        rw [run_put_ne _ fun e => by rw [e, gx] at g; cases g]
      owner := fun x gx => by
        rw [run_put_ne _ fun e => by rw [e, gx] at g; cases g]
        exact .refl _ _
      world := Runs.has_put_of_has r
      quiet := fun h => by rw [run_put_ne _ nw]; exact h }

/-- A run goes from one owner outside of the marked runs to another. -/
theorem Beside.own (b : Beside G m n) {x o p : Id} {gs : List Id} (i : n.has x = true) (ho : (n.run x).owner = some p) (gp : G p = false)
    (go : G o = false) (lone : G x = true → x = G.lone) : Beside G m (n.own x o gs) := by
  have out : ∀ q, some p = some q → G q = false := fun q e => Option.some.inj e ▸ gp
  refine b.trans
    { program := rfl, contents := rfl, written := rfl, used := rfl, size := Nat.le_refl _
      up := fun y q _ h gq => ?_
      ids := ?_
      runs := fun y _ => ?_
      owner := fun y gy => ?_
      world := fun h => by rw [has_own, h, Bool.or_true]
      quiet := fun h => by rw [trace_own]; exact h }
  · rw [run_own] at h
    split at h
    · cases h; rw [go] at gq; cases gq
    · exact h
  · show ((Runs.put n.runs _).map Run.id).filter G.mark = _
    rw [Runs.ids_put]
    simp only [run_id]
    rw [if_pos (show Runs.has n.runs x = true from i)]
  · rw [run_own]
    split
    · next e => subst e; rfl
    · rfl
  · rw [run_own]
    split
    · next e => subst e; exact .inr ⟨lone gy, by rw [ho]; exact out, fun q e => Option.some.inj e ▸ go⟩
    · exact .refl _ _

end M

namespace Supervision

open M

variable {G : Field} {m n : M} {a c : Id}

/-- What becomes of a tree in which the run `a` has spawned the supervisor `s` and lent it the run `c`. -/
structure Spawned (G : Field) (a s c : Id) (sup : String) (req : Request) (K : Stack) (m n : M) : Prop where
  beside : Beside G m n
  stack : n.stack = m.stack
  code : ∃ h, (n.run a).code = resume (.ok (.run h)) K ∧ (n.run a).handles[h]? = some s
  owner : (n.run a).owner = (m.run a).owner
  grant : (n.run a).grant = (m.run a).grant
  made : (n.run a).made = (m.run a).made + 1
  owned : (n.run s).owner = some a
  table : (n.run s).handles = [c]
  begins : (n.run s).code = bodyOf sup [.run 0]
  granted : (n.run s).grant = (m.run a).grant ++ [{ origin := s, clauses := req }]
  moved : (n.run c).owner = some s
  others : ∀ x, x ≠ a → x ≠ s → n.run x = { m.run x with owner := (n.run x).owner, givers := (n.run x).givers } ∧
    (x ≠ c → (n.run x).owner = (m.run x).owner)

theorem given_one {handles : List Id} {h : Nat} (hh : handles[h]? = some c) :
    Value.mapHandlesList (give handles) [] [.run h] = ([c], [.run 0]) := by
  have : give handles [] h = ([c], .run 0) := by
    unfold give renumber
    rw [List.getD_eq_getElem?_getD, hh]
    rfl
  unfold Value.mapHandlesList Value.mapHandles Value.mapHandlesList
  rw [this]

theorem spawn_one (wf : Wf m) {sup r : String} {request : Value} {req : Request} {h : Nat} {K : Stack}
    (agent : m.program.agent? sup = some (Await.supDef r)) (asks : requestOf request = .ok req) (ga : G a = false)
    (gs : G (.made a (m.run a).made) = false) (hh : (m.run a).handles[h]? = some c) (own : m.owns a c = true) (ca : c ≠ a)
    (ia : m.has a = true) (nw : a ≠ .world)
    (lone : G c = true → c = G.lone) :
    Spawned G a (.made a (m.run a).made) c sup req K m
      (m.spawn a { op := "run.spawn", args := [.agent sup, .list [.run h], request], stack := K }) := by
  have fresh := not_has_made wf a
  have ic := has_of_owns own
  generalize hs : Id.made a (m.run a).made = s at fresh gs ⊢
  have sa : s ≠ a := fun e => by rw [e, ia] at fresh; cases fresh
  have cs : c ≠ s := fun e => by rw [← e, ic] at fresh; cases fresh
  have params : (m.program.agent? sup).map (fun d => d.params.length) = some [Value.run h].length := by rw [agent]; rfl
  unfold M.spawn
  simp only [params, ne_eq, not_true_eq_false, if_false, asks, given_one hh, hs, List.foldl_cons, List.foldl_nil]
  let r' : Run := { id := s, owner := some a, givers := [], agent := sup, args := [.run 0], code := bodyOf sup [.run 0],
                    files := (m.run a).files, base := (m.run a).files, grant := (m.run a).grant ++ [{ origin := s, clauses := req }],
                    handles := [c], trace := [], inbox := [], made := 0 }
  have p₁ : ∀ x, x ≠ s → (m.put r').run x = m.run x := fun x hx => run_put_ne m (r := r') hx.symm
  have own₁ : (m.put r').owns a c = true := by
    unfold M.owns at own ⊢
    rw [p₁ c cs]; exact own
  have lent : M.lend a s (m.put r') c = (m.put r').own c s (a :: ((m.put r').run c).givers) := by
    unfold M.lend
    rw [own₁, if_pos rfl]
  show Spawned G a s c sup req K m (((M.lend a s (m.put r') c).recordCode s _ _).answerRun a _ s)
  rw [lent]
  have b₁ : Beside G m (m.put r') := (Beside.refl m).born gs (fun e => by have e : s = .world := e; rw [← hs] at e; cases e) fun o e => Option.some.inj e ▸ ga
  have b₂ : Beside G m ((m.put r').own c s (a :: ((m.put r').run c).givers)) :=
    b₁.own (by rw [M.has_put, ic, Bool.or_true]) (beq_iff_eq.mp own₁) ga gs lone
  have stack₂ : ((m.put r').own c s (a :: ((m.put r').run c).givers)).stack = m.stack := rfl
  have rs : ((m.put r').own c s (a :: ((m.put r').run c).givers)).run s = r' := by
    rw [run_own_ne _ _ _ cs]; exact run_put_same m r'
  have rc : ((m.put r').own c s (a :: ((m.put r').run c).givers)).run c =
      { m.run c with owner := some s, givers := a :: ((m.put r').run c).givers } := by
    rw [run_own_same, p₁ c cs]
  have rx : ∀ x, x ≠ s → x ≠ c → ((m.put r').own c s (a :: ((m.put r').run c).givers)).run x = m.run x := fun x hx hc => by
    rw [run_own_ne _ _ _ hc.symm, p₁ x hx]
  revert b₂ stack₂ rs rc rx
  generalize (m.put r').own c s (a :: ((m.put r').run c).givers) = p₂
  intro b₂ stack₂ rs rc rx
  -- The supervisor records its start.
  generalize hp : p₂.recordCode s _ _ = p₃
  have b₃ : Beside G m p₃ := by rw [← hp]; exact b₂.record gs (fun e => by rw [← hs] at e; cases e) _ _
  have stack₃ : p₃.stack = m.stack := by rw [← hp]; exact stack₂
  have ss : p₃.run s = { r' with code := bodyOf sup [.run 0], trace := (p₃.run s).trace } := by
    rw [← hp, run_recordCode_same, rs]
  have sx : ∀ x, x ≠ s → p₃.run x = p₂.run x := fun x hx => by rw [← hp]; exact run_recordCode_ne _ _ _ hx.symm
  have ra : p₃.run a = m.run a := by rw [sx a sa.symm, rx a sa.symm ca.symm]
  -- The asker is told.
  unfold M.answerRun
  simp only [ra]
  have set : Turn G a p₃ (p₃.put { m.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 }) := by
    have same : { m.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 } =
        ({ p₃.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 } : Run) := by rw [ra]
    rw [same]
    have id : ({ p₃.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 } : Run).id = a := run_id p₃ a
    refine ⟨(Beside.refl p₃).put (by rw [id]; exact ga) (by rw [id]) (fun e => absurd (id.symm.trans e) nw), fun x hx => run_put_ne _ (by rw [id]; exact hx.symm), ?_, ?_, ?_⟩
    all_goals rw [run_put, if_pos id]
    rw [ra]; exact hold_prefix _ _
  have put : (p₃.put { m.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 }).run a =
      { m.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 } := by
    rw [run_put, if_pos (run_id m a)]
  revert set put
  generalize hq : p₃.put { m.run a with handles := (hold (m.run a).handles s).1, made := (m.run a).made + 1 } = p₄
  intro set put
  have stack₄ : p₄.stack = m.stack := by rw [← hq]; exact stack₃
  have told := Turn.reply ga nw p₄ { op := "run.spawn", args := [.agent sup, .list [.run h], request], stack := K }
    (.ok (.run (hold (m.run a).handles s).2))
  have same : ∀ x, x ≠ a → (p₄.reply a { op := "run.spawn", args := [.agent sup, .list [.run h], request], stack := K }
    (.ok (.run (hold (m.run a).handles s).2))).run x = p₃.run x := fun x hx => by rw [told.others x hx, set.others x hx]
  have ar : (p₄.reply a { op := "run.spawn", args := [.agent sup, .list [.run h], request], stack := K }
    (.ok (.run (hold (m.run a).handles s).2))).run a = { p₄.run a with
      code := resume (.ok (.run (hold (m.run a).handles s).2)) K, files := (p₄.run a).files.apply [],
      trace := ((p₄.reply a { op := "run.spawn", args := [.agent sup, .list [.run h], request], stack := K }
        (.ok (.run (hold (m.run a).handles s).2))).run a).trace } := by
    rw [reply_eq, run_record_same]; rfl
  refine
    { beside := b₃.trans (set.beside.trans told.beside), stack := stack₄, code := ⟨(hold (m.run a).handles s).2, ?_, ?_⟩
      owner := ?_, grant := ?_, made := ?_, owned := ?_, table := ?_, begins := ?_, granted := ?_, moved := ?_, others := fun x hx hxs => ?_ }
  · rw [ar]
  · rw [ar, put]; exact hold_get _ _
  · rw [ar, put]
  · rw [ar, put]
  · rw [ar, put]
  · rw [same s sa, ss]
  · rw [same s sa, ss]
  · rw [same s sa, ss]
  · rw [same s sa, ss]
  · rw [same c ca, sx c cs, rc]
  · rw [same x hx, sx x hxs]
    by_cases e : x = c
    · subst e
      exact ⟨by rw [rc], fun h => absurd rfl h⟩
    · rw [rx x hxs e]
      exact ⟨rfl, fun _ => rfl⟩

end Supervision

end Shepherd
