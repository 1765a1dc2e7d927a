import Shepherd.Forest

/-!
# Lemmas on changes to files
-/

namespace Shepherd

namespace Files

theorem removeAll_nil (fs : Files) : fs.removeAll [] = fs := by
  unfold removeAll
  exact List.filter_eq_self.mpr fun _ _ => rfl

/-- The empty change changes nothing. -/
theorem apply_nil (fs : Files) : fs.apply [] = fs := by
  show (fs.removeAll []).putAll [] = fs
  rw [removeAll_nil]; rfl

end Files

end Shepherd
