import Lake
open Lake DSL

package shepherd

/-- The specification and the theorems: the root module imports all others. -/
@[default_target]
lean_lib Shepherd where
  srcDir := "lean"

/-- The reference interpreter. -/
@[default_target]
lean_exe shepref where
  srcDir := "lean"
  root := `Shepref
