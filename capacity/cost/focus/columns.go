// Package focus reads, checks and writes billing data in the FinOps Open Cost and Usage Specification (FOCUS), version 1.2,
// as CSV and as Parquet. It leaves out what the charges are for.
package focus

// Version is the version of the specification that Validate checks against.
const Version = "1.2"

type kind int

const (
	text kind = iota
	number
	moment
	object // JSON
	currency
)

type level int

const (
	conditional level = iota
	recommended
	mandatory
)

// column is what the specification says of a column.
type column struct {
	name     string
	kind     kind
	level    level
	nullable bool
	allowed  []string
}

var serviceCategories = []string{
	"AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools", "Multicloud", "Identity",
	"Integration", "Internet of Things", "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other",
}

// columns are those of version 1.2, in the order in which we write them.
var columns = []column{
	{"AvailabilityZone", text, recommended, true, nil},
	{"BilledCost", number, mandatory, false, nil},
	{"BillingAccountId", text, mandatory, false, nil},
	{"BillingAccountName", text, mandatory, true, nil},
	{"BillingAccountType", text, conditional, true, nil},
	{"BillingCurrency", currency, mandatory, false, nil},
	{"BillingPeriodEnd", moment, mandatory, false, nil},
	{"BillingPeriodStart", moment, mandatory, false, nil},
	{"CapacityReservationId", text, conditional, true, nil},
	{"CapacityReservationStatus", text, conditional, true, []string{"Used", "Unused"}},
	{"ChargeCategory", text, mandatory, false, []string{"Usage", "Purchase", "Tax", "Credit", "Adjustment"}},
	{"ChargeClass", text, mandatory, true, []string{"Correction"}},
	{"ChargeDescription", text, mandatory, true, nil},
	{"ChargeFrequency", text, recommended, false, []string{"One-Time", "Recurring", "Usage-Based"}},
	{"ChargePeriodEnd", moment, mandatory, false, nil},
	{"ChargePeriodStart", moment, mandatory, false, nil},
	{"CommitmentDiscountCategory", text, conditional, true, []string{"Spend", "Usage"}},
	{"CommitmentDiscountId", text, conditional, true, nil},
	{"CommitmentDiscountName", text, conditional, true, nil},
	{"CommitmentDiscountQuantity", number, conditional, true, nil},
	{"CommitmentDiscountStatus", text, conditional, true, []string{"Used", "Unused"}},
	{"CommitmentDiscountType", text, conditional, true, nil},
	{"CommitmentDiscountUnit", text, conditional, true, nil},
	{"ConsumedQuantity", number, conditional, true, nil},
	{"ConsumedUnit", text, conditional, true, nil},
	{"ContractedCost", number, mandatory, false, nil},
	{"ContractedUnitPrice", number, conditional, true, nil},
	{"EffectiveCost", number, mandatory, false, nil},
	{"InvoiceId", text, recommended, true, nil},
	{"InvoiceIssuerName", text, mandatory, false, nil},
	{"ListCost", number, mandatory, false, nil},
	{"ListUnitPrice", number, conditional, true, nil},
	{"PricingCategory", text, conditional, true, []string{"Standard", "Dynamic", "Committed", "Other"}},
	{"PricingCurrency", text, conditional, true, nil}, // a national or a virtual currency
	{"PricingCurrencyContractedUnitPrice", number, conditional, true, nil},
	{"PricingCurrencyEffectiveCost", number, conditional, true, nil},
	{"PricingCurrencyListUnitPrice", number, conditional, true, nil},
	{"PricingQuantity", number, mandatory, true, nil},
	{"PricingUnit", text, mandatory, true, nil},
	{"ProviderName", text, mandatory, false, nil},
	{"PublisherName", text, mandatory, false, nil},
	{"RegionId", text, conditional, true, nil},
	{"RegionName", text, conditional, true, nil},
	{"ResourceId", text, conditional, true, nil},
	{"ResourceName", text, conditional, true, nil},
	{"ResourceType", text, conditional, true, nil},
	{"ServiceCategory", text, mandatory, false, serviceCategories},
	{"ServiceName", text, mandatory, false, nil},
	{"ServiceSubcategory", text, recommended, false, nil},
	{"SkuId", text, conditional, true, nil},
	{"SkuMeter", text, conditional, true, nil},
	{"SkuPriceDetails", object, conditional, true, nil},
	{"SkuPriceId", text, conditional, true, nil},
	{"SubAccountId", text, conditional, true, nil},
	{"SubAccountName", text, conditional, true, nil},
	{"SubAccountType", text, conditional, true, nil},
	{"Tags", object, conditional, true, nil},
}

var byName = func() map[string]column {
	all := make(map[string]column, len(columns))
	for _, c := range columns {
		all[c.name] = c
	}
	return all
}()
