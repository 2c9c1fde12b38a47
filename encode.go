package sessile

import (
	"fmt"

	"github.com/sessile/sessile/internal/object"
)

// encodeData encodes what a caller passes as session data. nil, and a value that encodes to null,
// is {}. Errors: ErrInvalidData, and ErrDataTooLarge for more than most bytes.
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
	if len(raw) > most { // checked before anything is parsed or queued (S45)
		return nil, fmt.Errorf("%w: %d bytes (limit %d)", ErrDataTooLarge, len(raw), most)
	}
	obj, err := object.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: not a JSON object", ErrInvalidData)
	}
	return obj, nil
}
