// Package coherence tests nodes in processes of their own over one PostgreSQL server, while their connections stall and break, their
// processes stop and die, and their clocks are set. The parent makes random calls on all nodes, and compares what is read with
// what was acknowledged. The package has only tests.
package coherence
