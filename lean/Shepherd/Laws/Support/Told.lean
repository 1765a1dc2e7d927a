import Shepherd.Laws.Support.Files
import Shepherd.Laws.Support.Perform

/-!
# What a run is told of one that it made
-/

namespace Shepherd

namespace M

/-- A run just held stands in the table where its handle says. -/
theorem hold_get (table : List Id) (id : Id) : (hold table id).1[(hold table id).2]? = some id := by
  unfold hold
  split
  · next j hj =>
    obtain ⟨h, e, _⟩ := List.findIdx?_eq_some_iff_getElem.mp hj
    rw [List.getElem?_eq_getElem h]
    exact congrArg some (beq_iff_eq.mp e)
  · exact List.getElem?_concat_length

/-- What the asker is told of the run just made. -/
theorem answerRun_told (m : M) (asker : Id) (wt : Waiting) (id : Id) : ∃ o, (m.answerRun asker wt id).log = o :: m.log ∧
    o.run = asker ∧ (∃ j, o.event = .outcome (.ok (.run j)) [] .machine ∧ o.handles[j]? = some id) ∧
    ((m.answerRun asker wt id).run asker).files = (m.run asker).files := by
  unfold M.answerRun
  simp only [M.reply_eq]
  refine ⟨_, M.log_record _ _ _ _, rfl, ⟨_, rfl, ?_⟩, ?_⟩
  · show ((M.put m _).run asker).handles[_]? = _
    rw [M.run_put, if_pos (M.run_id _ _)]
    exact M.hold_get _ _
  · rw [M.run_record_same]
    show ((M.put m _).run asker).files.apply [] = _
    rw [Files.apply_nil, M.run_put, if_pos (M.run_id _ _)]

/-- Who owns whom stays. -/
theorem owner_answerRun (m : M) (asker : Id) (wt : Waiting) (id z : Id) :
    ((m.answerRun asker wt id).run z).owner = (m.run z).owner := by
  unfold answerRun
  simp only [reply_eq]
  rw [owner_record, run_put]
  simp only [run_id]
  split
  · next e => rw [← e]
  · rfl

end M

end Shepherd
