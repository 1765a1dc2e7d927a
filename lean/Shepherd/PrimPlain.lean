import Shepherd.Prim

/-!
# Primitives whose results hold no handle

All but the few that give parts of their arguments; `json_parse` and `decode` are among them. For `PrimHandles.lean`.
-/

namespace Shepherd

namespace Prim

theorem mem_handlesList {h : Nat} {vs : List Value} : h ∈ Value.handlesList vs ↔ ∃ v ∈ vs, h ∈ v.handles := by
  induction vs with
  | nil => simp [Value.handlesList]
  | cons v vs ih => simp [Value.handlesList, ih]

theorem mem_handlesFields {h : Nat} {fs : List (String × Value)} :
    h ∈ Value.handlesFields fs ↔ ∃ f ∈ fs, h ∈ f.2.handles := by
  induction fs with
  | nil => simp [Value.handlesFields]
  | cons f fs ih => obtain ⟨l, v⟩ := f; simp [Value.handlesFields, ih]

/-- A value without a handle. -/
def Plain (v : Value) : Prop := v.handles = []

theorem plain_list {vs : List Value} (h : ∀ v ∈ vs, Plain v) : Plain (.list vs) := by
  unfold Plain
  rw [Value.handles, List.eq_nil_iff_forall_not_mem]
  intro x hx
  obtain ⟨v, hv, hx⟩ := mem_handlesList.1 hx
  rw [h v hv] at hx
  cases hx

theorem plain_con {c : String} {vs : List Value} (h : ∀ v ∈ vs, Plain v) : Plain (.con c vs) := plain_list h

theorem plain_record {fs : List (String × Value)} (h : ∀ f ∈ fs, Plain f.2) : Plain (.record fs) := by
  unfold Plain
  rw [Value.handles, List.eq_nil_iff_forall_not_mem]
  intro x hx
  obtain ⟨f, hf, hx⟩ := mem_handlesFields.1 hx
  rw [h f hf] at hx
  cases hx

theorem plain_one {c : String} {v : Value} (h : Plain v) : Plain (.con c [v]) :=
  plain_con fun w hw => by rw [List.mem_singleton.1 hw]; exact h

/-! ## What comes of a computation -/

/-- Every result is so. -/
structure Gives {ε α : Type} (p : α → Prop) (r : Except ε α) : Prop where
  so : ∀ a, r = .ok a → p a

section
variable {ε α β : Type} {p : α → Prop} {q : β → Prop}

theorem gives_error (e : ε) : Gives p (.error e) := ⟨nofun⟩
theorem gives_ok {a : α} (h : p a) : Gives p (Except.ok a : Except ε α) := ⟨fun _ e => Except.ok.inj e ▸ h⟩

theorem gives_bind {r : Except ε α} {f : α → Except ε β} (hr : Gives p r) (hf : ∀ a, p a → Gives q (f a)) :
    Gives q (r >>= f) := by
  cases r with
  | error e => exact gives_error e
  | ok a => exact hf a (hr.so a rfl)

theorem gives_any (r : Except ε α) : Gives (fun _ => True) r := ⟨fun _ _ => trivial⟩
theorem gives_then {r : Except ε α} {f : α → Except ε β} (hf : ∀ a, Gives q (f a)) : Gives q (r >>= f) :=
  gives_bind (gives_any r) fun a _ => hf a
theorem gives_mono {p' : α → Prop} {r : Except ε α} (h : Gives p r) (hp : ∀ a, p a → p' a) : Gives p' r :=
  ⟨fun a e => hp a (h.so a e)⟩
end

/-- A computation whose result holds no handle, step by step. -/
macro "plain" : tactic => `(tactic| repeat' first
  | with_reducible refine gives_then fun _ => ?_
  | split
  | exact gives_error _
  | exact gives_ok rfl
  | dsimp only)

/-! ## Primitives that give no handle at all -/

theorem eq_plain (a b : Value) : Gives Plain (eq a b) := gives_ok rfl
theorem not_plain (a : Value) : Gives Plain (not a) := by unfold not; plain
theorem smallInt_plain (name : String) (n : Int) : Gives Plain (smallInt name n) := by unfold smallInt; plain
theorem smallDec_plain (name : String) (d : Decimal) : Gives Plain (smallDec name d) := by unfold smallDec; plain
theorem add_plain (a b : Value) : Gives Plain (add a b) := by
  unfold add; split
  · exact smallInt_plain ..
  · exact gives_then fun _ => gives_then fun _ => smallDec_plain ..
theorem sub_plain (a b : Value) : Gives Plain (sub a b) := by
  unfold sub; split
  · exact smallInt_plain ..
  · exact gives_then fun _ => gives_then fun _ => smallDec_plain ..
theorem mul_plain (a b : Value) : Gives Plain (mul a b) := by
  unfold mul; split
  · exact smallInt_plain ..
  · exact gives_then fun _ => gives_then fun _ => smallDec_plain ..
theorem div_plain (a b : Value) : Gives Plain (div a b) := by unfold div; plain
theorem mod_plain (a b : Value) : Gives Plain (mod a b) := by unfold mod; plain
theorem compare_plain (name : String) (f : Int → Int → Bool) (g : String → String → Bool) (a b : Value) :
    Gives Plain (compare name f g a b) := by unfold compare; plain
theorem lt_plain (a b : Value) : Gives Plain (lt a b) := compare_plain ..
theorem le_plain (a b : Value) : Gives Plain (le a b) := compare_plain ..
theorem neg_plain (a : Value) : Gives Plain (neg a) := by unfold neg; plain
theorem decInt_plain (a : Value) : Gives Plain (decInt a) := by unfold decInt; plain
theorem intDec_plain (a : Value) : Gives Plain (intDec a) := by unfold intDec; plain
theorem len_plain (a : Value) : Gives Plain (len a) := by unfold len; plain
theorem contains_plain (a b : Value) : Gives Plain (contains a b) := by unfold contains; plain
theorem conName_plain (a : Value) : Gives Plain (conName a) := by unfold conName; plain
theorem isCon_plain (a b c : Value) : Gives Plain (isCon a b c) := by unfold isCon; plain
theorem kind_plain (a : Value) : Gives Plain (kind a) := gives_ok rfl
theorem agentName_plain (a : Value) : Gives Plain (agentName a) := by unfold agentName; plain
theorem blobSize_plain (a : Value) : Gives Plain (blobSize a) := by unfold blobSize; plain
theorem blobHash_plain (a : Value) : Gives Plain (blobHash a) := by unfold blobHash; plain
theorem fail_plain (a b : Value) : Gives Plain (fail a b) := by unfold fail; plain
theorem raise_plain (a : Value) : Gives Plain (raise a) := by unfold raise; plain
theorem text_plain (vs : List Value) : Gives Plain (text vs) := by unfold text; plain
theorem textLen_plain (a : Value) : Gives Plain (textLen a) := by unfold textLen; plain
theorem textSlice_plain (a b c : Value) : Gives Plain (textSlice a b c) := by unfold textSlice; plain
theorem textJoin_plain (a b : Value) : Gives Plain (textJoin a b) := by unfold textJoin; plain
theorem textTrim_plain (a : Value) : Gives Plain (textTrim a) := by unfold textTrim; plain
theorem textLower_plain (a : Value) : Gives Plain (textLower a) := by unfold textLower; plain
theorem textUpper_plain (a : Value) : Gives Plain (textUpper a) := by unfold textUpper; plain
theorem textContains_plain (a b : Value) : Gives Plain (textContains a b) := by unfold textContains; plain
theorem textStarts_plain (a b : Value) : Gives Plain (textStarts a b) := by unfold textStarts; plain
theorem textEnds_plain (a b : Value) : Gives Plain (textEnds a b) := by unfold textEnds; plain
theorem textFind_plain (a b : Value) : Gives Plain (textFind a b) := by unfold textFind; plain
theorem textReplace_plain (a b c : Value) : Gives Plain (textReplace a b c) := by unfold textReplace; plain
theorem textInt_plain (a : Value) : Gives Plain (textInt a) := by unfold textInt; plain
theorem matchText_plain (a b : Value) : Gives Plain (matchText a b) := by unfold matchText; plain
theorem matchPath_plain (a b : Value) : Gives Plain (matchPath a b) := by unfold matchPath; plain
theorem matchWords_plain (a b : Value) : Gives Plain (matchWords a b) := by unfold matchWords; plain
theorem jsonPrint_plain (a : Value) : Gives Plain (jsonPrint a) := by unfold jsonPrint; plain

theorem plain_map {α : Type} (f : α → Value) (hf : ∀ a, Plain (f a)) (as : List α) : Plain (.list (as.map f)) :=
  plain_list fun v hv => by
    obtain ⟨a, _, rfl⟩ := List.mem_map.1 hv
    exact hf a

theorem range_plain (a b : Value) : Gives Plain (range a b) := by
  unfold range
  refine gives_then fun _ => gives_then fun _ => ?_
  split
  · exact gives_error _
  · exact gives_ok (plain_map _ (by intro _; rfl) _)
theorem labels_plain (a : Value) : Gives Plain (labels a) := by
  unfold labels; split
  · exact gives_ok (plain_map _ (by intro _; rfl) _)
  · exact gives_error _
theorem textSplit_plain (a b : Value) : Gives Plain (textSplit a b) := by
  unfold textSplit
  refine gives_then fun _ => gives_then fun _ => ?_
  dsimp only
  split
  · exact gives_error _
  · exact gives_ok (plain_map _ (by intro _; rfl) _)
theorem words_plain (a : Value) : Gives Plain (words a) := by
  unfold words
  refine gives_then fun _ => ?_
  split
  · exact gives_ok rfl
  · split
    · exact gives_error _
    · exact gives_ok (plain_one (plain_map _ (by intro _; rfl) _))

/-! ## JSON -/

/-- What is in an open array or object holds no handle. -/
def PlainHolder : JsonPlain.Holder → Prop
  | .array items => ∀ v ∈ items, Plain v
  | .object fields _ _ => ∀ f ∈ fields, Plain f.2

/-- What has been read holds no handle. -/
def PlainState (s : JsonPlain.State) : Prop :=
  (∀ v, s.wants = .done v → Plain v) ∧ ∀ holder ∈ s.holders, PlainHolder holder

theorem put_plain {v : Value} {holders : List JsonPlain.Holder} (hv : Plain v)
    (hh : ∀ holder ∈ holders, PlainHolder holder) : PlainState (JsonPlain.put v holders) := by
  unfold JsonPlain.put
  split
  · exact ⟨fun w e => by cases e; exact hv, nofun⟩
  · refine ⟨nofun, fun holder hm => ?_⟩
    rcases List.mem_cons.1 hm with rfl | hm
    · intro w hw
      rcases List.mem_cons.1 hw with rfl | hw
      · exact hv
      · exact hh _ List.mem_cons_self w hw
    · exact hh _ (List.mem_cons_of_mem _ hm)
  · refine ⟨nofun, fun holder hm => ?_⟩
    rcases List.mem_cons.1 hm with rfl | hm
    · intro w hw
      rcases List.mem_cons.1 hw with rfl | hw
      · exact hv
      · exact hh _ List.mem_cons_self w hw
    · exact hh _ (List.mem_cons_of_mem _ hm)

theorem recordOf_plain {fs : List (String × Value)} (h : ∀ f ∈ fs, Plain f.2) : Plain (JsonPlain.recordOf fs) :=
  plain_record fun f hf => h f (List.mem_mergeSort.1 hf)

theorem afterMark_plain (depth : Nat) (c : Char) (n : Nat) (s : JsonPlain.State) (h : PlainState s) :
    Gives PlainState (JsonPlain.afterMark depth c n s) := by
  obtain ⟨_, hh⟩ := h
  unfold JsonPlain.afterMark
  split
  · dsimp only at hh
    split
    · split
      · exact gives_error _
      · split
        · refine gives_ok ⟨nofun, fun holder hm => ?_⟩
          rcases List.mem_cons.1 hm with rfl | hm
          · exact nofun
          · exact hh _ hm
        · refine gives_ok ⟨nofun, fun holder hm => ?_⟩
          rcases List.mem_cons.1 hm with rfl | hm
          · exact nofun
          · exact hh _ hm
    · split
      · exact gives_ok (put_plain rfl fun holder hm => hh _ (List.mem_cons_of_mem _ hm))
      · exact gives_error _
  · dsimp only at hh
    split
    · exact gives_ok ⟨nofun, hh⟩
    · exact gives_ok ⟨nofun, hh⟩
    · refine gives_ok (put_plain (plain_list fun v hv => ?_) fun holder hm => hh _ (List.mem_cons_of_mem _ hm))
      exact hh _ List.mem_cons_self v (List.mem_reverse.1 hv)
    · exact gives_ok (put_plain (recordOf_plain (hh _ List.mem_cons_self))
        fun holder hm => hh _ (List.mem_cons_of_mem _ hm))
    · exact gives_error _
  · exact gives_error _

theorem afterKey_plain (text : Option String) (n : Nat) (holders : List JsonPlain.Holder)
    (hh : ∀ holder ∈ holders, PlainHolder holder) : Gives PlainState (JsonPlain.afterKey text n holders) := by
  unfold JsonPlain.afterKey
  split
  · have hf := hh _ List.mem_cons_self
    split
    · exact gives_error _
    · dsimp only
      split
      · exact gives_error _
      · refine gives_ok ⟨nofun, fun holder hm => ?_⟩
        rcases List.mem_cons.1 hm with rfl | hm
        · exact hf
        · exact hh _ (List.mem_cons_of_mem _ hm)
  · exact gives_error _

theorem step_plain (depth : Nat) (number : JsonPlain.Number → Except String Value) (hn : ∀ n, Gives Plain (number n))
    (s : JsonPlain.State) (n : Nat) (token : JsonPlain.Token) (h : PlainState s) :
    Gives PlainState (JsonPlain.step depth number s n token) := by
  have hh := h.2
  unfold JsonPlain.step
  split
  · exact gives_error _
  · exact afterKey_plain _ _ _ hh
  · exact gives_ok (put_plain rfl fun holder hm => hh _ (List.mem_of_mem_drop hm))
  · exact gives_error _
  · exact gives_ok ⟨nofun, hh⟩
  · exact gives_error _
  · exact afterMark_plain _ _ _ _ h
  · exact gives_ok (put_plain rfl hh)
  · exact gives_ok (put_plain rfl hh)
  · exact gives_ok (put_plain rfl hh)
  · exact gives_error _
  · split
    · rename_i e
      exact gives_ok (put_plain ((hn _).so _ e) hh)
    · exact gives_error _
  · exact gives_error _

theorem readFrom_plain (depth : Nat) (number : JsonPlain.Number → Except String Value)
    (hn : ∀ n, Gives Plain (number n)) (size : Nat) (tokens : List (Nat × JsonPlain.Token)) :
    ∀ s, PlainState s → Gives Plain (JsonPlain.readFrom depth number size s tokens) := by
  induction tokens with
  | nil =>
    intro s h
    unfold JsonPlain.readFrom
    split
    · rename_i e
      exact gives_ok (h.1 _ e)
    · exact gives_error _
  | cons t tokens ih =>
    intro s h
    unfold JsonPlain.readFrom
    split
    · rename_i e
      exact ih _ ((step_plain depth number hn s _ _ h).so _ e)
    · exact gives_error _

theorem numberValue_plain (n : JsonPlain.Number) : Gives Plain (numberValue n) := by
  unfold numberValue Decimal.value; plain

theorem jsonParse_plain (a : Value) : Gives Plain (jsonParse a) := by
  unfold jsonParse
  refine gives_then fun s => ?_
  split
  · exact gives_ok rfl
  · rename_i v e
    split
    · exact gives_error _
    · refine gives_ok (plain_one ?_)
      refine (readFrom_plain _ _ numberValue_plain _ _ _ ?_).so v e
      exact ⟨fun _ h => (nomatch h), fun _ h => (nomatch h)⟩

theorem inside_plain {place : String} {r : Decoded} (h : Gives Plain r) : Gives Plain (inside place r) := by
  unfold inside
  split
  · exact gives_error _
  · exact h

theorem decodeItems_plain {f : Value → Decoded} (hf : ∀ v, Gives Plain (f v)) (vs : List Value) :
    ∀ n, Gives (fun ws => ∀ w ∈ ws, Plain w) (decodeItems f n vs) := by
  induction vs with
  | nil => exact fun _ => gives_ok nofun
  | cons v vs ih =>
    intro n
    unfold decodeItems
    refine gives_bind (inside_plain (hf v)) fun w hw => gives_bind (ih _) fun ws hws => gives_ok ?_
    intro x hx
    rcases List.mem_cons.1 hx with rfl | hx
    · exact hw
    · exact hws x hx

theorem decodeField_plain {f : Value → Value → Decoded} (hf : ∀ t v, Gives Plain (f t v))
    (given : List (String × Value)) (label : String) (type : Value) : Gives Plain (decodeField f given label type) := by
  unfold decodeField
  split
  · exact inside_plain (hf _ _)
  · split
    · exact gives_ok rfl
    · exact gives_error _

theorem decodeFields_plain {f : Value → Value → Decoded} (hf : ∀ t v, Gives Plain (f t v))
    (given : List (String × Value)) (types : List (String × Value)) :
    Gives (fun fs => ∀ x ∈ fs, Plain x.2) (decodeFields f given types) := by
  induction types with
  | nil => exact gives_ok nofun
  | cons t types ih =>
    unfold decodeFields
    refine gives_bind (decodeField_plain hf _ _ _) fun w hw => gives_bind ih fun ws hws => gives_ok ?_
    intro x hx
    rcases List.mem_cons.1 hx with rfl | hx
    · exact hw
    · exact hws x hx

theorem decodeArgs_plain {f : Value → Value → Decoded} (hf : ∀ t v, Gives Plain (f t v)) (name : String)
    (types : List Value) : ∀ n vs, Gives (fun ws => ∀ w ∈ ws, Plain w) (decodeArgs f name n types vs) := by
  induction types with
  | nil => intro n vs; unfold decodeArgs; exact gives_ok nofun
  | cons t types ih =>
    intro n vs
    cases vs with
    | nil => unfold decodeArgs; exact gives_ok nofun
    | cons v vs =>
      unfold decodeArgs
      refine gives_bind (inside_plain (hf t v)) fun w hw => gives_bind (ih _ _) fun ws hws => gives_ok ?_
      intro x hx
      rcases List.mem_cons.1 hx with rfl | hx
      · exact hw
      · exact hws x hx

theorem decodeRecord_plain {f : Value → Value → Decoded} (hf : ∀ t v, Gives Plain (f t v)) (items : List Value)
    (v : Value) : Gives Plain (decodeRecord f items v) := by
  unfold decodeRecord
  refine gives_then fun types => ?_
  split
  · split
    · exact gives_error _
    · exact gives_bind (decodeFields_plain hf _ _) fun fs hfs => gives_ok (plain_record hfs)
  · exact gives_error _

theorem decodeCase_plain {f : Value → Value → Decoded} (hf : ∀ t v, Gives Plain (f t v)) (name : String)
    (given : Option Value) (types : List Value) : Gives Plain (decodeCase f name given types) := by
  unfold decodeCase
  split
  · exact gives_ok rfl
  · exact gives_error _
  · exact gives_error _
  · exact gives_bind (inside_plain (hf _ _)) fun w hw => gives_ok (plain_one hw)
  · split
    · exact gives_bind (decodeArgs_plain hf _ _ _ _) fun ws hws => gives_ok (plain_con hws)
    · exact gives_error _
  · exact gives_error _

theorem decodeVariant_plain {f : Value → Value → Decoded} (hf : ∀ t v, Gives Plain (f t v)) (items : List Value)
    (v : Value) : Gives Plain (decodeVariant f items v) := by
  unfold decodeVariant
  refine gives_then fun cases => gives_then fun found => ?_
  split
  split
  · exact gives_error _
  · exact decodeCase_plain hf _ _ _
  · exact gives_error _

theorem decodeAt_plain (n : Nat) : ∀ t v, Gives Plain (decodeAt n t v) := by
  induction n with
  | zero => intro t v; unfold decodeAt; exact gives_error _
  | succ n ih =>
    intro t v
    unfold decodeAt
    split
    · split
      all_goals first
        | exact gives_ok rfl
        | split <;> exact gives_error _
    · split
      · exact gives_bind (decodeItems_plain (ih _) _ _) fun ws hws => gives_ok (plain_list hws)
      · exact gives_error _
    · split
      · exact gives_ok rfl
      · exact gives_bind (ih _ _) fun w hw => gives_ok (plain_one hw)
    · exact decodeRecord_plain ih _ _
    · exact decodeVariant_plain ih _ _
    · exact gives_error _

theorem decode_plain (a b : Value) : Gives Plain (decode a b) := by
  unfold decode
  split
  · rename_i e
    exact gives_ok (plain_one ((decodeAt_plain _ _ _).so _ e))
  · exact gives_error _
  · exact gives_ok rfl

end Prim

end Shepherd
