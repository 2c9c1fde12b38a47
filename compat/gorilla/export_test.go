package gorilla

// Remembered returns how many sessions a store remembers.
func Remembered(s *Store) (n int) {
	s.loaded.Range(func(any, any) bool {
		n++
		return true
	})
	return n
}
