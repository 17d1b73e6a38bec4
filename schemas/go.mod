module joinery.internal/schemas

go 1.26.0
