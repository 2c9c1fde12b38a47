package sessile

import (
	"fmt"

	"github.com/sessile/sessile/internal/object"
)

// encodeData encodes what a caller passes as a session's data: nil, and what
// encodes to null, is {}. Errors: ErrInvalidData, ErrDataTooLarge over most bytes.
func encodeData(v any, most int) (*object.Object, error) {
	if v == nil {
		return object.Empty(), nil
	}
	raw, err := object.Encode(v, object.MaxDepth)
	if err != nil {
		return nil, fmt.Errorf("session data: %w", err)
	}
	if string(raw) == "null" {
		return object.Empty(), nil
	}
	if len(raw) > most { // S45: before anything is done with it
		return nil, fmt.Errorf("%d bytes are more than %d: %w", len(raw), most, ErrDataTooLarge)
	}
	obj, err := object.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("session data is no JSON object: %w", ErrInvalidData)
	}
	return obj, nil
}
