package sqlite

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// The WAL format: https://sqlite.org/walformat.html
const (
	walHeaderBytes   = 32
	frameHeaderBytes = 24
	walMagic         = 0x377f0682 // plus one if the checksums are big-endian
)

// readHead reads the header of a WAL. It returns zeros if there is none.
func readHead(path string) (h [walHeaderBytes]byte) {
	f, err := os.OpenFile(path, os.O_RDONLY|plain, 0)
	if err != nil {
		return h
	}
	defer f.Close()
	return headOf(f)
}

func headOf(f io.ReaderAt) (h [walHeaderBytes]byte) {
	if _, err := f.ReadAt(h[:], 0); err != nil {
		return [walHeaderBytes]byte{}
	}
	return h
}

// frames counts the valid frames of a WAL, up to the first broken one. Each frame's checksum
// covers all frames before it.
func frames(path string) (n int64, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|plain, 0)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 1<<18)
	head := make([]byte, walHeaderBytes)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, atEnd(err)
	}
	word := binary.ByteOrder(binary.LittleEndian)
	switch magic := binary.BigEndian.Uint32(head); magic {
	case walMagic:
	case walMagic + 1:
		word = binary.BigEndian
	default:
		return 0, nil
	}
	page := binary.BigEndian.Uint32(head[8:])
	if page < 512 || page > 65536 {
		return 0, nil
	}
	var sum checksum
	if sum.add(word, head[:24]); !sum.is(head[24:]) {
		return 0, nil
	}
	frame := make([]byte, frameHeaderBytes+page)
	for ; ; n++ {
		if _, err := io.ReadFull(r, frame); err != nil {
			return n, atEnd(err)
		}
		sum.add(word, frame[:8])
		sum.add(word, frame[frameHeaderBytes:])
		if string(frame[8:16]) != string(head[16:24]) || !sum.is(frame[16:]) { // the salts
			return n, nil
		}
	}
}

// atEnd returns nil if err is the end of a file.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// checksum is the running checksum of a WAL.
type checksum [2]uint32

func (c *checksum) add(word binary.ByteOrder, b []byte) {
	for ; len(b) >= 8; b = b[8:] {
		c[0] += word.Uint32(b) + c[1]
		c[1] += word.Uint32(b[4:]) + c[0]
	}
}

func (c *checksum) is(b []byte) bool {
	return binary.BigEndian.Uint32(b) == c[0] && binary.BigEndian.Uint32(b[4:]) == c[1]
}
