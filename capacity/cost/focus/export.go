package focus

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nines-sre/nines/capacity/cost"
	"github.com/nines-sre/nines/capacity/cost/allocation"
)

// exported are the columns of what we write, ours last.
var exported = []string{
	"BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass",
	"ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "ContractedCost", "EffectiveCost",
	"InvoiceIssuerName", "ListCost", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName",
	"ServiceCategory", "ServiceName", "SubAccountId", "SubAccountName", "Tags", "x_AllocationType", "x_InstanceType", "x_Namespace", "x_SharedFrom",
}

// FromAllocation writes an allocation as billing data: a row each, whose costs add up to the allocation's total. The tenant is
// the sub account, team and service are tags, and what a row is of (workload, idle, shared, overhead) stands in
// x_AllocationType. list is the same allocation by list prices; rows that it lacks have their own cost as list cost. issuer
// is who asks for the money.
func FromAllocation(a, list allocation.Allocation, issuer string) Table {
	t := Table{Columns: exported}
	prices := map[string]cost.Money{}
	for _, r := range list.Rows {
		prices[identity(r)] = r.Cost
	}
	billed := billingPeriod(a.From)
	for _, r := range a.Rows {
		listed, ok := prices[identity(r)]
		if !ok {
			listed = r.Cost
		}
		values := map[string]string{
			"BilledCost": r.Cost.String(), "ContractedCost": r.Cost.String(), "EffectiveCost": r.Cost.String(), "ListCost": listed.String(),
			"BillingAccountId": orOwn(a.Sheet, "nines"), "BillingAccountName": orOwn(a.Sheet, "nines"), "BillingCurrency": a.Currency,
			"BillingPeriodStart": billed.From.Format(momentForm), "BillingPeriodEnd": billed.To.Format(momentForm),
			"ChargePeriodStart": a.From.UTC().Format(momentForm), "ChargePeriodEnd": a.To.UTC().Format(momentForm),
			"ChargeDescription": description(r), "InvoiceIssuerName": issuer, "ProviderName": orOwn(r.Provider, issuer), "PublisherName": orOwn(r.Provider, issuer),
			"RegionId": r.Region, "RegionName": r.Region, "ServiceCategory": serviceCategory(r.Resource), "ServiceName": orOwn(r.Service, string(r.Resource)),
			"SubAccountId": r.Tenant, "SubAccountName": r.Tenant, "Tags": tags(r), "x_AllocationType": string(r.Category), "x_InstanceType": r.InstanceType,
			"x_Namespace": r.Namespace, "x_SharedFrom": r.From,
		}
		charge(values, r)
		row := make([]Cell, len(t.Columns))
		for i, name := range t.Columns {
			row[i] = Value(values[name])
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// charge fills in what depends on the kind of the charge.
func charge(values map[string]string, r allocation.Row) {
	quantity, unit := strconv.FormatFloat(max(0, r.Quantity), 'f', 9, 64), r.Unit
	switch r.Resource {
	case allocation.Owed:
		values["ChargeCategory"], values["ChargeFrequency"] = "Adjustment", "One-Time"
		return
	case allocation.Amount:
		quantity, unit = "1", "Months"
		values["ChargeCategory"], values["ChargeFrequency"] = "Purchase", "Recurring"
	default:
		values["ChargeCategory"], values["ChargeFrequency"] = "Usage", "Usage-Based"
		values["ConsumedQuantity"], values["ConsumedUnit"] = trimmed(quantity), unit
	}
	values["PricingCategory"], values["PricingQuantity"], values["PricingUnit"] = "Standard", trimmed(quantity), unit
}

func trimmed(decimal string) string {
	if !strings.Contains(decimal, ".") {
		return decimal
	}
	return trim(decimal)
}

func identity(r allocation.Row) string {
	return fmt.Sprintf("%q", []string{string(r.Category), r.Tenant, r.Team, r.Service, r.Namespace, r.Provider, r.Region, r.InstanceType, string(r.Resource), r.Class, r.From})
}

func orOwn(text, own string) string {
	if text == "" {
		return own
	}
	return text
}

func billingPeriod(from time.Time) cost.Span {
	from = from.UTC()
	first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
	return cost.Span{From: first, To: first.AddDate(0, 1, 0)}
}

func description(r allocation.Row) string {
	text := string(r.Resource)
	if r.Class != "" {
		text += " to " + r.Class
	}
	switch {
	case r.Category == allocation.Idle && r.From != "":
		return "unused part of " + r.From + ": " + text
	case r.Category == allocation.Idle:
		return "idle " + text
	case r.From != "":
		return r.From + ": " + text
	}
	return text
}

func serviceCategory(r cost.Resource) string {
	switch r {
	case cost.CPU, cost.RAM, cost.GPU, cost.Node:
		return "Compute"
	case cost.Storage:
		return "Storage"
	case cost.Egress, cost.LoadBalancer:
		return "Networking"
	}
	return "Other"
}

func tags(r allocation.Row) string {
	pairs := map[string]string{}
	for key, value := range map[string]string{"namespace": r.Namespace, "team": r.Team, "service": r.Service} {
		if value != "" {
			pairs[key] = value
		}
	}
	if len(pairs) == 0 {
		return ""
	}
	raw, err := json.Marshal(pairs)
	if err != nil {
		return "" // texts can be written
	}
	return string(raw)
}
