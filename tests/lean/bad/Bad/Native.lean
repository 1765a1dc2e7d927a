theorem by_native : 10007 * 10009 = 100160063 := by native_decide
