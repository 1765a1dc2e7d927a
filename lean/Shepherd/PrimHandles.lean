import Shepherd.PrimPlain

/-!
# Primitives invent no handle

A run is reached by having made it or having been given it: what a primitive gives holds no handle that its arguments do
not hold.
-/

namespace Shepherd

namespace Prim

/-- The handles of a result are among those of `args`. -/
def Within (args : List Value) (v : Value) : Prop := ∀ h ∈ v.handles, h ∈ Value.handlesList args

theorem plain_within {args : List Value} {v : Value} (h : Plain v) : Within args v := fun x hx => by
  rw [h] at hx; cases hx

theorem within_arg {args : List Value} {v : Value} (h : v ∈ args) : Within args v :=
  fun _ hx => mem_handlesList.2 ⟨v, h, hx⟩

theorem within_item {args vs : List Value} {w : Value} (h : Value.list vs ∈ args) (hw : w ∈ vs) : Within args w :=
  fun _ hx => mem_handlesList.2 ⟨_, h, mem_handlesList.2 ⟨w, hw, hx⟩⟩

theorem within_list {args vs : List Value} (h : ∀ w ∈ vs, Within args w) : Within args (.list vs) := fun x hx => by
  obtain ⟨w, hw, hx⟩ := mem_handlesList.1 hx
  exact h w hw x hx

theorem within_record {args : List Value} {fs : List (String × Value)} (h : ∀ f ∈ fs, Within args f.2) :
    Within args (.record fs) := fun x hx => by
  obtain ⟨f, hf, hx⟩ := mem_handlesFields.1 hx
  exact h f hf x hx

theorem asList_gives (name : String) (n : Nat) (v : Value) : Gives (fun vs => v = .list vs) (asList name n v) := by
  unfold asList; split <;> first | exact gives_ok rfl | exact gives_error _

/-! ## Primitives that give parts of their arguments -/

theorem list_within' (vs : List Value) : Gives (Within vs) (list vs) :=
  gives_ok (within_list fun _ hw => within_arg hw)

theorem getElem?_mem' {vs : List Value} {i : Int} {v : Value} (h : (if 0 ≤ i then vs[i.toNat]? else none) = some v) :
    v ∈ vs := by
  split at h
  · exact List.mem_of_getElem? h
  · cases h

theorem get_within (a b : Value) : Gives (Within [a, b]) (get a b) := by
  unfold get
  refine gives_bind (asList_gives ..) fun vs e => gives_then fun i => ?_
  subst e
  split
  · rename_i h
    exact gives_ok (within_item List.mem_cons_self (getElem?_mem' h))
  · exact gives_error _

theorem cons_within (a b : Value) : Gives (Within [a, b]) (cons a b) := by
  unfold cons
  refine gives_bind (asList_gives ..) fun vs e => ?_
  subst e
  split
  · exact gives_error _
  · refine gives_ok (within_list fun w hw => ?_)
    rcases List.mem_cons.1 hw with rfl | hw
    · exact within_arg List.mem_cons_self
    · exact within_item (List.mem_cons_of_mem _ List.mem_cons_self) hw

theorem append_within (a b : Value) : Gives (Within [a, b]) (append a b) := by
  unfold append
  refine gives_bind (asList_gives ..) fun vs e => ?_
  subst e
  split
  · exact gives_error _
  · refine gives_ok (within_list fun w hw => ?_)
    rcases List.mem_append.1 hw with hw | hw
    · exact within_item List.mem_cons_self hw
    · rw [List.mem_singleton.1 hw]
      exact within_arg (List.mem_cons_of_mem _ List.mem_cons_self)

theorem concat_within (a b : Value) : Gives (Within [a, b]) (concat a b) := by
  unfold concat
  refine gives_bind (asList_gives ..) fun vs e => gives_bind (asList_gives ..) fun ws e' => ?_
  subst e e'
  split
  · exact gives_error _
  · refine gives_ok (within_list fun w hw => ?_)
    rcases List.mem_append.1 hw with hw | hw
    · exact within_item List.mem_cons_self hw
    · exact within_item (List.mem_cons_of_mem _ List.mem_cons_self) hw

theorem slice_within (a b c : Value) : Gives (Within [a, b, c]) (slice a b c) := by
  unfold slice
  refine gives_bind (asList_gives ..) fun vs e => gives_then fun i => gives_then fun j => ?_
  subst e
  refine gives_ok (within_list fun w hw => ?_)
  exact within_item List.mem_cons_self (List.mem_of_mem_drop (List.mem_of_mem_take hw))

theorem reverse_within (a : Value) : Gives (Within [a]) (reverse a) := by
  unfold reverse
  refine gives_bind (asList_gives ..) fun vs e => ?_
  subst e
  exact gives_ok (within_list fun w hw => within_item List.mem_cons_self (List.mem_reverse.1 hw))

theorem fieldsFrom_mem (args : List Value) : ∀ (parts : List Value) (n : Nat) (fields : List (String × Value)),
    (∀ f ∈ fields, f.2 ∈ args) → (∀ v ∈ parts, v ∈ args) →
    Gives (fun fs => ∀ f ∈ fs, f.2 ∈ args) (fieldsFrom n fields parts)
  | [], _, _, hf, _ => gives_ok fun f hm => hf f (List.mem_reverse.1 hm)
  | [_], _, _, hf, _ => gives_ok fun f hm => hf f (List.mem_reverse.1 hm)
  | label :: value :: parts, n, fields, hf, hp => by
    unfold fieldsFrom
    split
    · split
      · exact gives_error _
      · refine fieldsFrom_mem args parts _ _ (fun f hm => ?_) fun w hw => ?_
        · rcases List.mem_cons.1 hm with rfl | hm
          · exact hp _ (List.mem_cons_of_mem _ List.mem_cons_self)
          · exact hf f hm
        · exact hp w (List.mem_cons_of_mem _ (List.mem_cons_of_mem _ hw))
    · exact gives_error _

theorem record_within (vs : List Value) : Gives (Within vs) (record vs) := by
  unfold record
  split
  · exact gives_error _
  · refine gives_bind (fieldsFrom_mem vs vs 0 [] (fun _ h => by cases h) fun _ h => h) fun fs hfs => ?_
    exact gives_ok (within_record fun f hf => within_arg (hfs f (List.mem_mergeSort.1 hf)))

theorem mem_of_lookup {α : Type} {l : String} {a : α} {fs : List (String × α)} (h : fs.lookup l = some a) :
    (l, a) ∈ fs := by
  induction fs with
  | nil => cases h
  | cons f fs ih =>
    obtain ⟨k, b⟩ := f
    rw [List.lookup_cons] at h
    split at h
    · rename_i e
      cases h
      rw [eq_of_beq e]
      exact List.mem_cons_self
    · exact List.mem_cons_of_mem _ (ih h)

theorem within_field {args : List Value} {fs : List (String × Value)} {f : String × Value}
    (h : Value.record fs ∈ args) (hf : f ∈ fs) : Within args f.2 :=
  fun _ hx => mem_handlesList.2 ⟨_, h, mem_handlesFields.2 ⟨f, hf, hx⟩⟩

theorem field_within (a b : Value) : Gives (Within [a, b]) (field a b) := by
  unfold field
  split
  · split
    · split
      · rename_i e
        exact gives_ok (within_field List.mem_cons_self (mem_of_lookup e))
      · exact gives_error _
    · exact gives_error _
  · exact gives_error _

theorem replaceField_mem {l : String} {v : Value} {fs gs : List (String × Value)} (h : replaceField l v fs = some gs) :
    ∀ g ∈ gs, g ∈ fs ∨ g.2 = v := by
  induction fs generalizing gs with
  | nil => cases h
  | cons f fs ih =>
    obtain ⟨k, w⟩ := f
    unfold replaceField at h
    split at h
    · cases h
      intro g hg
      rcases List.mem_cons.1 hg with rfl | hg
      · exact .inr rfl
      · exact .inl (List.mem_cons_of_mem _ hg)
    · cases e : replaceField l v fs with
      | none => rw [e] at h; cases h
      | some gs' =>
        rw [e] at h
        cases h
        intro g hg
        rcases List.mem_cons.1 hg with rfl | hg
        · exact .inl List.mem_cons_self
        · exact (ih e g hg).imp_left (List.mem_cons_of_mem _)

theorem with_within (a b c : Value) : Gives (Within [a, b, c]) («with» a b c) := by
  unfold «with»
  split
  · split
    · split
      · rename_i e
        refine gives_ok (within_record fun g hg => ?_)
        rcases replaceField_mem e g hg with hg | hg
        · exact within_field List.mem_cons_self hg
        · rw [hg]
          exact within_arg (List.mem_cons_of_mem _ (List.mem_cons_of_mem _ List.mem_cons_self))
      · exact gives_error _
    · exact gives_error _
  · exact gives_error _

theorem conOf_within (vs : List Value) : Gives (Within vs) (conOf vs) := by
  unfold conOf con
  split
  · split
    · exact gives_ok (within_list (vs := _) fun w hw => within_arg (List.mem_cons_of_mem _ hw))
    · exact gives_error _
  · exact gives_error _

theorem conArg_within (a b : Value) : Gives (Within [a, b]) (conArg a b) := by
  unfold conArg
  split
  · refine gives_then fun i => ?_
    split
    · rename_i h
      refine gives_ok fun x hx => mem_handlesList.2 ⟨_, List.mem_cons_self, ?_⟩
      exact mem_handlesList.2 ⟨_, getElem?_mem' h, hx⟩
    · exact gives_error _
  · exact gives_error _

/-! ## All of them -/

/-- A call gives no handle that is not in its arguments. -/
def Good : Call → Prop
  | .one f => ∀ a, Gives (Within [a]) (f a)
  | .two f => ∀ a b, Gives (Within [a, b]) (f a b)
  | .three f => ∀ a b c, Gives (Within [a, b, c]) (f a b c)
  | .many _ _ f => ∀ args, Gives (Within args) (f args)

theorem plain_good {args : List Value} {r : Result} (h : Gives Plain r) : Gives (Within args) r :=
  gives_mono h fun _ => plain_within

theorem one_good {f : Value → Result} (h : ∀ a, Gives Plain (f a)) : Good (.one f) := fun a => plain_good (h a)
theorem two_good {f : Value → Value → Result} (h : ∀ a b, Gives Plain (f a b)) : Good (.two f) :=
  fun a b => plain_good (h a b)
theorem three_good {f : Value → Value → Value → Result} (h : ∀ a b c, Gives Plain (f a b c)) : Good (.three f) :=
  fun a b c => plain_good (h a b c)

theorem table_good : ∀ item ∈ table, Good item.2 := by
  unfold table
  simp only [List.forall_mem_cons]
  exact ⟨two_good eq_plain, two_good add_plain, two_good sub_plain, two_good mul_plain, two_good div_plain,
    two_good mod_plain, two_good lt_plain, two_good le_plain, one_good not_plain, one_good neg_plain,
    one_good decInt_plain, one_good intDec_plain, fun vs => plain_good (text_plain vs), one_good textLen_plain,
    one_good textTrim_plain, one_good textLower_plain, one_good textUpper_plain, one_good textInt_plain,
    one_good words_plain, two_good textSplit_plain, two_good textJoin_plain, two_good textContains_plain,
    two_good textStarts_plain, two_good textEnds_plain, two_good textFind_plain, three_good textSlice_plain,
    three_good textReplace_plain, two_good matchText_plain, two_good matchPath_plain, two_good matchWords_plain,
    list_within', one_good len_plain, reverse_within, get_within, cons_within, append_within, concat_within,
    two_good contains_plain, two_good range_plain, slice_within, record_within, field_within, with_within,
    one_good labels_plain, conOf_within, one_good conName_plain, one_good kind_plain, one_good agentName_plain,
    one_good blobSize_plain, one_good blobHash_plain, one_good raise_plain, conArg_within, two_good fail_plain,
    two_good decode_plain, three_good isCon_plain, one_good jsonPrint_plain, one_good jsonParse_plain, nofun⟩

theorem apply_within (name : String) (call : Call) (args : List Value) (h : Good call) :
    Gives (Within args) (call.apply name args) := by
  unfold Call.apply
  split
  · exact h _
  · exact h _ _
  · exact h _ _ _
  · split
    · exact gives_error _
    · exact h _
  · exact gives_error _

end Prim

/-- Primitives invent no handle. -/
theorem prim_handles {name : String} {args : List Value} {v : Value} (h : prim name args = .ok v) :
    ∀ n, n ∈ v.handles → n ∈ Value.handlesList args := by
  unfold prim at h
  split at h
  · rename_i call e
    exact (Prim.apply_within name call args (Prim.table_good _ (Prim.mem_of_lookup e))).so v h
  · cases h

end Shepherd
