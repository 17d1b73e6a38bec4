package config

// builtIn is the map of a source whose file has none, where the protocol says enough: scim and ssf. Others have none.
func builtIn(kind string) *Mapping {
	x := func(text string) Expr { return Expr{Text: text, File: "built-in map of " + kind} }
	switch kind {
	case "scim":
		return &Mapping{SourceKey: x("record.id"), Person: &PersonMapping{
			EmployeeNumber: x("record.enterprise.employeeNumber"), GivenName: x("record.name.givenName"), FamilyName: x("record.name.familyName"),
			DisplayName: x("record.displayName"), Email: x("record.email"), Phone: x("record.phone"), Title: x("record.title"),
			Department: x("record.enterprise.department"), Company: x("record.enterprise.organization"), CostCentre: x("record.enterprise.costCenter"),
			Manager: x("record.manager_number"), WorkerType: x(`record.userType == null ? "employee" : record.userType.lowerAscii()`), Timezone: x("record.timezone")}}
	case "ssf":
		return &Mapping{SourceKey: x("record.subject.key"), Person: &PersonMapping{EmployeeNumber: x("record.subject.externalId"),
			Email: x(`record.subject.email != "" ? record.subject.email : record.subject.account`)}}
	}
	return nil
}
