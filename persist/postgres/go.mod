module github.com/sessile/sessile/persist/postgres

go 1.26.0

replace github.com/sessile/sessile => ../..

require (
	github.com/jackc/pgx/v5 v5.13.0
	github.com/sessile/sessile v0.0.0
	go.uber.org/goleak v1.3.0
	go.uber.org/zap v1.28.0
)

require (
	github.com/hashicorp/golang-lru/v2 v2.0.7 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/mileusna/useragent v1.3.5 // indirect
	github.com/oklog/ulid/v2 v2.1.2 // indirect
	go.uber.org/multierr v1.10.0 // indirect
	golang.org/x/sync v0.22.0 // indirect
	golang.org/x/text v0.41.0 // indirect
	pgregory.net/rapid v1.3.0 // indirect
)
