package packs

// series is what an exporter shows of one thing, while all is well and while it is broken.
type series struct {
	text            string // name{label="value"}
	kind            int
	healthy, broken float64
}

// Kinds of series, and what healthy and broken are: a gauge's value, a counter's growth at each scrape, how many seconds
// ago a timestamp is, or how many of ten events at each scrape fall into the first bucket of a native histogram.
const (
	gaugeSeries = iota
	counterSeries
	ageSeries
	nativeSeries
)

func gauge(text string, healthy, broken float64) series {
	return series{text, gaugeSeries, healthy, broken}
}
func counter(text string, healthy, broken float64) series {
	return series{text, counterSeries, healthy, broken}
}
func age(text string, healthy, broken float64) series {
	return series{text, ageSeries, healthy, broken}
}

// classic is a histogram with ten events at each scrape, all within the bound while healthy and none while broken.
func classic(name, labels, bound string) []series {
	return []series{
		counter(name+`_count{`+labels+`}`, 10, 10),
		counter(name+`_bucket{`+labels+`,le="`+bound+`"}`, 10, 0),
		counter(name+`_bucket{`+labels+`,le="+Inf"}`, 10, 10),
	}
}

func join(parts ...[]series) []series {
	var out []series
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// exporterSeries are the series of each pack's exporters, as those show them with the pack's default values.
var exporterSeries = map[string]map[string][]series{
	"http": {
		"otel": join(
			classic("http_server_request_duration_seconds", `job="web",instance="a",http_request_method="GET",http_route="/",http_response_status_code="200"`, "0.25"),
			[]series{counter(`http_server_request_duration_seconds_count{job="web",instance="a",http_request_method="GET",http_route="/",http_response_status_code="500"}`, 0, 10)},
		),
		"client_golang": join(
			classic("http_request_duration_seconds", `job="web",instance="a",method="get",code="200"`, "0.25"),
			[]series{counter(`http_request_duration_seconds_count{job="web",instance="a",method="get",code="503"}`, 0, 10)},
		),
		"native": {
			counter(`http_requests_total{job="web",instance="a",code="200"}`, 10, 0),
			counter(`http_requests_total{job="web",instance="a",code="500"}`, 0, 10),
			{`http_request_duration_seconds{job="web",instance="a",code="200"}`, nativeSeries, 10, 0},
		},
	},
	"grpc": {
		"grpc-prometheus": join(
			[]series{
				counter(`grpc_server_handled_total{job="api",instance="a",grpc_type="unary",grpc_service="S",grpc_method="M",grpc_code="OK"}`, 10, 10),
				counter(`grpc_server_handled_total{job="api",instance="a",grpc_type="unary",grpc_service="S",grpc_method="M",grpc_code="NotFound"}`, 5, 5),
				counter(`grpc_server_handled_total{job="api",instance="a",grpc_type="unary",grpc_service="S",grpc_method="M",grpc_code="Unavailable"}`, 0, 10),
				counter(`grpc_server_handled_total{job="api",instance="a",grpc_type="unary",grpc_service="S",grpc_method="M",grpc_code="ResourceExhausted"}`, 0, 10),
			},
			classic("grpc_server_handling_seconds", `job="api",instance="a",grpc_type="unary",grpc_service="S",grpc_method="M"`, "0.25"),
			// A stream that lasts is not slow.
			[]series{
				counter(`grpc_server_handling_seconds_count{job="api",instance="a",grpc_type="server_stream",grpc_service="S",grpc_method="W"}`, 1, 1),
				counter(`grpc_server_handling_seconds_bucket{job="api",instance="a",grpc_type="server_stream",grpc_service="S",grpc_method="W",le="0.25"}`, 0, 0),
			},
		),
		"otel": join(
			classic("rpc_server_call_duration_seconds", `job="api",instance="a",rpc_system_name="grpc",rpc_method="S/M",rpc_response_status_code="OK"`, "0.25"),
			[]series{
				counter(`rpc_server_call_duration_seconds_count{job="api",instance="a",rpc_system_name="grpc",rpc_method="S/M",rpc_response_status_code="DEADLINE_EXCEEDED"}`, 0, 10),
				counter(`rpc_server_call_duration_seconds_count{job="api",instance="a",rpc_system_name="grpc",rpc_method="S/M",rpc_response_status_code="RESOURCE_EXHAUSTED"}`, 0, 10),
			},
		),
		"otel-milliseconds": join(
			classic("rpc_server_duration_milliseconds", `job="api",instance="a",rpc_system="grpc",rpc_service="S",rpc_method="M",rpc_grpc_status_code="0"`, "250"),
			[]series{
				counter(`rpc_server_duration_milliseconds_count{job="api",instance="a",rpc_system="grpc",rpc_service="S",rpc_method="M",rpc_grpc_status_code="14"}`, 0, 10),
				counter(`rpc_server_duration_milliseconds_count{job="api",instance="a",rpc_system="grpc",rpc_service="S",rpc_method="M",rpc_grpc_status_code="8"}`, 0, 10),
			},
		),
	},
	"llm": {
		"vllm": join(
			[]series{
				counter(`http_requests_total{job="vllm",instance="a",handler="/v1/chat/completions",method="POST",status="2xx"}`, 10, 5),
				counter(`http_requests_total{job="vllm",instance="a",handler="/v1/chat/completions",method="POST",status="5xx"}`, 0, 5),
				gauge(`vllm:num_requests_waiting{job="vllm",instance="a",engine="0",model_name="m"}`, 2, 50),
			},
			classic("vllm:time_to_first_token_seconds", `job="vllm",instance="a",engine="0",model_name="m"`, "1.0"),
			classic("vllm:inter_token_latency_seconds", `job="vllm",instance="a",engine="0",model_name="m"`, "0.1"),
			classic("vllm:e2e_request_latency_seconds", `job="vllm",instance="a",engine="0",model_name="m"`, "30.0"),
		),
		"otel": join(
			classic("gen_ai_server_request_duration_seconds", `job="llm",instance="a",gen_ai_operation_name="chat",gen_ai_request_model="m"`, "40.96"),
			[]series{counter(`gen_ai_server_request_duration_seconds_count{job="llm",instance="a",gen_ai_operation_name="chat",gen_ai_request_model="m",error_type="500"}`, 0, 10)},
			classic("gen_ai_server_time_to_first_token_seconds", `job="llm",instance="a",gen_ai_operation_name="chat",gen_ai_request_model="m"`, "1"),
			classic("gen_ai_server_time_per_output_token_seconds", `job="llm",instance="a",gen_ai_operation_name="chat",gen_ai_request_model="m"`, "0.1"),
		),
	},
	"postgres": {"postgres_exporter": {
		gauge(`pg_up{job="postgres",instance="a"}`, 1, 0),
		gauge(`pg_up{job="postgres",instance="b"}`, 1, 1),
		gauge(`pg_settings_max_connections{job="postgres",instance="a",server="a:5432"}`, 100, 100),
		gauge(`pg_settings_max_connections{job="postgres",instance="b",server="b:5432"}`, 100, 100),
		gauge(`pg_stat_database_numbackends{job="postgres",instance="a",datid="5",datname="shop"}`, 40, 60),
		gauge(`pg_stat_database_numbackends{job="postgres",instance="a",datid="6",datname="crm"}`, 30, 35),
		gauge(`pg_stat_database_numbackends{job="postgres",instance="b",datid="5",datname="shop"}`, 1, 1),
		counter(`pg_stat_database_xact_commit{job="postgres",instance="a",datid="5",datname="shop"}`, 100, 50),
		counter(`pg_stat_database_xact_rollback{job="postgres",instance="a",datid="5",datname="shop"}`, 0, 50),
		gauge(`pg_replication_is_replica{job="postgres",instance="a"}`, 0, 0),
		gauge(`pg_replication_lag_seconds{job="postgres",instance="a"}`, 0, 0),
		gauge(`pg_replication_is_replica{job="postgres",instance="b"}`, 1, 1),
		gauge(`pg_replication_lag_seconds{job="postgres",instance="b"}`, 2, 900),
	}},
	"redis": {"redis_exporter": {
		gauge(`redis_up{job="redis",instance="a"}`, 1, 0),
		counter(`redis_commands_total{job="redis",instance="a",cmd="set"}`, 100, 100),
		counter(`redis_commands_failed_calls_total{job="redis",instance="a",cmd="set"}`, 0, 1),
		counter(`redis_commands_rejected_calls_total{job="redis",instance="a",cmd="set"}`, 0, 100),
		gauge(`redis_memory_used_bytes{job="redis",instance="a"}`, 50e6, 95e6),
		gauge(`redis_memory_max_bytes{job="redis",instance="a"}`, 100e6, 100e6),
		gauge(`redis_memory_used_bytes{job="redis",instance="unbounded"}`, 50e6, 95e6),
		gauge(`redis_memory_max_bytes{job="redis",instance="unbounded"}`, 0, 0),
		gauge(`redis_master_link_up{job="redis",instance="b",master_host="a",master_port="6379"}`, 1, 0),
	}},
	"kafka": {
		"kafka_exporter": {
			gauge(`kafka_consumergroup_lag{job="kafka-exporter",instance="a",consumergroup="billing",topic="orders",partition="0"}`, 3, 9000),
			gauge(`kafka_consumergroup_lag{job="kafka-exporter",instance="a",consumergroup="billing",topic="orders",partition="1"}`, 4, 9000),
			counter(`kafka_consumergroup_current_offset{job="kafka-exporter",instance="a",consumergroup="billing",topic="orders",partition="0"}`, 10, 10),
			counter(`kafka_consumergroup_current_offset{job="kafka-exporter",instance="a",consumergroup="billing",topic="orders",partition="1"}`, 10, 10),
			// Little to consume, and nobody does.
			gauge(`kafka_consumergroup_lag{job="kafka-exporter",instance="a",consumergroup="quiet",topic="orders",partition="0"}`, 0, 2),
			counter(`kafka_consumergroup_current_offset{job="kafka-exporter",instance="a",consumergroup="quiet",topic="orders",partition="0"}`, 1, 0),
			// Nothing to consume is no standstill.
			gauge(`kafka_consumergroup_lag{job="kafka-exporter",instance="a",consumergroup="idle",topic="orders",partition="0"}`, 0, 0),
			gauge(`kafka_consumergroup_current_offset{job="kafka-exporter",instance="a",consumergroup="idle",topic="orders",partition="0"}`, 77, 77),
			gauge(`kafka_topic_partition_under_replicated_partition{job="kafka-exporter",instance="a",topic="orders",partition="0"}`, 0, 1),
			gauge(`kafka_topic_partition_under_replicated_partition{job="kafka-exporter",instance="a",topic="orders",partition="1"}`, 0, 0),
		},
		"kminion": {
			gauge(`kminion_kafka_consumer_group_topic_lag{job="kminion",instance="a",group_id="billing",topic_name="orders"}`, 7, 20000),
			counter(`kminion_kafka_consumer_group_topic_offset_sum{job="kminion",instance="a",group_id="billing",topic_name="orders"}`, 10, 0),
		},
		"burrow": {
			gauge(`burrow_kafka_consumer_partition_lag{job="burrow",instance="a",cluster="c",consumer_group="billing",topic="orders",partition="0"}`, 7, 20000),
			counter(`burrow_kafka_consumer_current_offset{job="burrow",instance="a",cluster="c",consumer_group="billing",topic="orders",partition="0"}`, 10, 0),
		},
	},
	"queue": {
		"rabbitmq": {
			gauge(`rabbitmq_queue_messages_ready{job="rabbitmq",instance="a",vhost="/",queue="orders"}`, 12, 40000),
			gauge(`rabbitmq_queue_consumers{job="rabbitmq",instance="a",vhost="/",queue="orders"}`, 4, 0),
			counter(`rabbitmq_global_messages_delivered_total{job="rabbitmq",instance="a",protocol="amqp091",queue_type="rabbit_quorum_queue"}`, 100, 100),
			counter(`rabbitmq_global_messages_redelivered_total{job="rabbitmq",instance="a",protocol="amqp091",queue_type="rabbit_quorum_queue"}`, 0, 50),
		},
		"sqs": {
			gauge(`aws_sqs_approximate_number_of_messages_visible_maximum{job="yace",instance="a",dimension_QueueName="orders"}`, 12, 40000),
			gauge(`aws_sqs_approximate_age_of_oldest_message_maximum{job="yace",instance="a",dimension_QueueName="orders"}`, 2, 7200),
		},
	},
	"clickhouse": {"clickhouse": {
		counter(`ClickHouseProfileEvents_SelectQuery{job="clickhouse",instance="a"}`, 100, 100),
		counter(`ClickHouseProfileEvents_FailedSelectQuery{job="clickhouse",instance="a"}`, 0, 100),
		counter(`ClickHouseProfileEvents_InsertQuery{job="clickhouse",instance="a"}`, 10, 0),
		counter(`ClickHouseProfileEvents_FailedInsertQuery{job="clickhouse",instance="a"}`, 0, 10),
		gauge(`ClickHouseMetrics_ReadonlyReplica{job="clickhouse",instance="a"}`, 0, 3),
		gauge(`ClickHouseAsyncMetrics_ReplicasMaxAbsoluteDelay{job="clickhouse",instance="a"}`, 4, 3600),
		gauge(`ClickHouseAsyncMetrics_MaxPartCountForPartition{job="clickhouse",instance="a"}`, 200, 2900),
	}},
	"airflow": {
		"statsd": {
			counter(`airflow_ti_successes{job="airflow",instance="a"}`, 10, 5),
			counter(`airflow_ti_failures{job="airflow",instance="a"}`, 0, 5),
			counter(`airflow_scheduler_heartbeat{job="airflow",instance="a",type="counter"}`, 6, 0),
			gauge(`airflow_dagrun_schedule_delay{job="airflow",instance="a",dag_id="etl",quantile="0.9"}`, 3, 1800),
			gauge(`airflow_dagrun_schedule_delay{job="airflow",instance="a",dag_id="idle",quantile="0.9"}`, nan, nan),
			gauge(`airflow_dag_processing_import_errors{job="airflow",instance="a"}`, 0, 2),
		},
		"otel": {
			counter(`airflow_ti_successes_total{job="airflow",instance="a"}`, 10, 5),
			counter(`airflow_ti_failures_total{job="airflow",instance="a"}`, 0, 5),
			counter(`airflow_scheduler_heartbeat_total{job="airflow",instance="a"}`, 6, 0),
			gauge(`airflow_dag_processing_import_errors{job="airflow",instance="a"}`, 0, 2),
		},
	},
	"kubernetes": {"kubernetes": join(
		[]series{
			counter(`apiserver_request_total{job="apiserver",instance="a",verb="GET",resource="pods",scope="resource",code="200"}`, 100, 100),
			counter(`apiserver_request_total{job="apiserver",instance="a",verb="GET",resource="pods",scope="resource",code="503"}`, 0, 50),
			gauge(`kube_node_status_condition{job="kube-state-metrics",instance="k",node="n1",condition="Ready",status="true"}`, 1, 0),
			gauge(`kube_node_status_condition{job="kube-state-metrics",instance="k",node="n1",condition="Ready",status="false"}`, 0, 1),
			gauge(`kube_node_status_condition{job="kube-state-metrics",instance="k",node="n2",condition="Ready",status="true"}`, 1, 1),
			gauge(`kube_deployment_status_replicas_available{job="kube-state-metrics",instance="k",namespace="shop",deployment="web"}`, 3, 1),
			gauge(`kube_deployment_spec_replicas{job="kube-state-metrics",instance="k",namespace="shop",deployment="web"}`, 4, 4),
			gauge(`kube_deployment_status_replicas_available{job="kube-state-metrics",instance="k",namespace="shop",deployment="off"}`, 0, 0),
			gauge(`kube_deployment_spec_replicas{job="kube-state-metrics",instance="k",namespace="shop",deployment="off"}`, 0, 0),
			// A watch lasts and a log is followed; neither is slow.
			counter(`apiserver_request_sli_duration_seconds_count{job="apiserver",instance="a",verb="WATCH",resource="pods",scope="cluster"}`, 5, 5),
			counter(`apiserver_request_sli_duration_seconds_count{job="apiserver",instance="a",verb="GET",resource="pods",subresource="log",scope="resource"}`, 5, 5),
		},
		classic("apiserver_request_sli_duration_seconds", `job="apiserver",instance="a",verb="GET",resource="pods",subresource="",scope="resource"`, "1"),
		classic("kubelet_pod_start_sli_duration_seconds", `job="kubelet",instance="n1"`, "5"),
	)},
	"batch": {
		"pushgateway": {
			age(`batch_last_success_timestamp_seconds{job="nightly",instance=""}`, 3600, 30*3600),
			gauge(`batch_last_duration_seconds{job="nightly",instance=""}`, 1800, 10800),
		},
		"cronjob": {
			age(`kube_cronjob_status_last_successful_time{job="kube-state-metrics",instance="k",namespace="shop",cronjob="backup"}`, 3600, 30*3600),
			age(`kube_cronjob_status_last_schedule_time{job="kube-state-metrics",instance="k",namespace="shop",cronjob="backup"}`, 1800, 10800),
			gauge(`kube_cronjob_status_active{job="kube-state-metrics",instance="k",namespace="shop",cronjob="backup"}`, 1, 1),
			// A job that does not run does not take long, whenever it last ran.
			age(`kube_cronjob_status_last_successful_time{job="kube-state-metrics",instance="k",namespace="shop",cronjob="report"}`, 60, 60),
			age(`kube_cronjob_status_last_schedule_time{job="kube-state-metrics",instance="k",namespace="shop",cronjob="report"}`, 80000, 80000),
			gauge(`kube_cronjob_status_active{job="kube-state-metrics",instance="k",namespace="shop",cronjob="report"}`, 0, 0),
		},
	},
}
