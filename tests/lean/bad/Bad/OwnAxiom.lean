axiom cheat : 1 = 2

theorem by_axiom : 2 = 1 := cheat.symm
