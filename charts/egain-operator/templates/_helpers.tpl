{{/*
Puts back into .Values what a null, or the values of an earlier version, took out of it. A setting gets its default again. A
list, or a map whose keys are Kubernetes' or the user's, is empty. Every template includes this first.
*/}}
{{- define "egain-operator.values" -}}
{{- include "egain-operator.fill" (list .Values (fromYaml (.Files.Get "files/values.yaml"))) -}}
{{- end -}}

{{/* Takes a list: values, and their defaults. */}}
{{- define "egain-operator.fill" -}}
{{- $open := list "labels" "livenessProbe" "nodeSelector" "podSecurityContext" "readinessProbe" "resources" "securityContext" "startupProbe" -}}
{{- $values := index . 0 -}}
{{- range $key, $default := index . 1 -}}
{{- if or (has $key $open) (kindIs "slice" $default) -}}{{- $default = ternary list dict (kindIs "slice" $default) -}}{{- end -}}
{{- if kindIs "invalid" (index $values $key) -}}{{- $_ := set $values $key (kindIs "map" $default | ternary dict $default) -}}{{- end -}}
{{- if kindIs "map" $default -}}{{- include "egain-operator.fill" (list (index $values $key) $default) -}}{{- end -}}
{{- end -}}
{{- range $key, $value := $values -}}
{{- if kindIs "invalid" $value -}}{{- $_ := unset $values $key -}}{{- end -}}
{{- if kindIs "map" $value -}}{{- include "egain-operator.fill" (list $value dict) -}}{{- end -}}
{{- end -}}
{{- end -}}

{{- define "egain-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 35 | trimSuffix "-" -}}
{{- end -}}

{{/* What all names begin with. The longest that is added has 28 characters; 63 is what the strictest of them may have. */}}
{{- define "egain-operator.fullname" -}}
{{- $name := include "egain-operator.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 35 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 35 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 35 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "egain-operator.manager" -}}
{{ include "egain-operator.fullname" . }}-controller-manager
{{- end -}}

{{- define "egain-operator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "egain-operator.manager" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "egain-operator.leaseNamespace" -}}
{{- default .Release.Namespace .Values.leaderElection.namespace -}}
{{- end -}}

{{/* Labels of every object. Those that select pods are apart, since a selector is final. */}}
{{- define "egain-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "egain-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: egain-operator
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "egain-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "egain-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller-manager
{{- end -}}

{{/*
The metadata of an object, except its name. Takes a list: the context of the chart, then maps of labels and of
annotations, of which the later ones win.
*/}}
{{- define "egain-operator.metadata" -}}
{{- $root := index . 0 -}}
{{- $labels := fromYaml (include "egain-operator.labels" $root) -}}
{{- $annotations := deepCopy $root.Values.commonAnnotations -}}
{{- if gt (len .) 1 -}}{{- $labels = mergeOverwrite $labels (deepCopy (index . 1)) -}}{{- end -}}
{{- if gt (len .) 2 -}}{{- $annotations = mergeOverwrite $annotations (deepCopy (index . 2)) -}}{{- end -}}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "egain-operator.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{/* Nine tenths of the memory limit: the garbage collector works harder before the kernel ends the process. */}}
{{- define "egain-operator.goMemoryLimit" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources | toString -}}
{{- if .Values.goMemoryLimit -}}
{{- .Values.goMemoryLimit -}}
{{- else if regexMatch "^[0-9]+(Ki|Mi|Gi)$" $limit -}}
{{- $number := regexFind "^[0-9]+" $limit | int64 -}}
{{- $unit := regexFind "(Ki|Mi|Gi)$" $limit -}}
{{- if and (eq $unit "Gi") (lt $number 1000) -}}{{- $number = mul $number 1024 -}}{{- $unit = "Mi" -}}{{- end -}}
{{- printf "%d%sB" (div (mul $number 9) 10) $unit -}}
{{- else if $limit -}}
{{- fail (printf "resources.limits.memory is %s: give it in Ki, Mi or Gi, or set goMemoryLimit, such as 460MiB" $limit) -}}
{{- end -}}
{{- end -}}

{{/* Hosts that are reached without a proxy. The kubelet replaces the variable by the address of the API server. */}}
{{- define "egain-operator.noProxy" -}}
{{- join "," (concat (list "$(KUBERNETES_SERVICE_HOST)" "localhost" "127.0.0.1") .Values.proxy.noProxy) -}}
{{- end -}}

{{/*
The pod's UID is who holds the Lease: a container that is restarted finds it to be its own, and goes on at once.
*/}}
{{- define "egain-operator.env" -}}
{{- $env := list (dict "name" "POD_UID" "valueFrom" (dict "fieldRef" (dict "fieldPath" "metadata.uid"))) -}}
{{- with include "egain-operator.goMemoryLimit" . -}}
{{- $env = append $env (dict "name" "GOMEMLIMIT" "value" .) -}}
{{- end -}}
{{- with .Values.fipsMode -}}{{- $env = append $env (dict "name" "GODEBUG" "value" (printf "fips140=%s" .)) -}}{{- end -}}
{{- with .Values.proxy.https -}}{{- $env = append $env (dict "name" "HTTPS_PROXY" "value" .) -}}{{- end -}}
{{- with .Values.proxy.http -}}{{- $env = append $env (dict "name" "HTTP_PROXY" "value" .) -}}{{- end -}}
{{- if or .Values.proxy.https .Values.proxy.http -}}
{{- $env = append $env (dict "name" "NO_PROXY" "value" (include "egain-operator.noProxy" .)) -}}
{{- end -}}
{{- with concat $env .Values.extraEnv -}}
env:
  {{- toYaml . | nindent 2 }}
{{- end -}}
{{- end -}}

{{/* Whether a policy is on: as its value says, or else hardened. Takes a list: the context of the chart, the policy. */}}
{{- define "egain-operator.policyEnabled" -}}
{{- $root := index . 0 -}}
{{- $enabled := (index $root.Values.policies (index . 1)).enabled -}}
{{- kindIs "bool" $enabled | ternary $enabled $root.Values.hardened -}}
{{- end -}}

{{/* The spec of a policy, with the lists and the ServiceAccount of this release. Takes a list: the context of the chart, the spec. */}}
{{- define "egain-operator.policySpec" -}}
{{- $root := index . 0 -}}
{{- $spec := index . 1 -}}
{{- $lists := merge (dict "hosts" $root.Values.allowedHosts) (pick $root.Values.policies.targets "names" "types" "keys") -}}
{{- range $spec.variables -}}
{{- if hasKey $lists .name -}}{{- $_ := set . "expression" (index $lists .name | toJson) -}}{{- end -}}
{{- end -}}
{{- $account := printf "system:serviceaccount:%s:%s" $root.Release.Namespace (include "egain-operator.serviceAccountName" $root) -}}
{{- range $spec.matchConditions -}}
{{- $_ := set . "expression" (.expression | replace "system:serviceaccount:egain-operator-system:egain-operator-controller-manager" $account) -}}
{{- end -}}
{{- toYaml $spec -}}
{{- end -}}

{{/* What weakens a hardened release, one a line. */}}
{{- define "egain-operator.weakened" -}}
{{- $values := .Values -}}
{{- if .Values.allowPrivate }}
- allowPrivate is true: requests may go to private networks.
{{- end -}}
{{- if .Values.serviceAccountTokens.enabled }}
- serviceAccountTokens.enabled is true: the operator may act as {{ with .Values.serviceAccountTokens.names }}the ServiceAccounts {{ join ", " . }}{{ else }}any ServiceAccount{{ end }} where it works.
{{- end -}}
{{- range $policy := list "secrets" "hosts" "targets" }}
{{- if ne (include "egain-operator.policyEnabled" (list $ $policy)) "true" }}
- policies.{{ $policy }}.enabled is false.
{{- end -}}
{{- end -}}
{{- if not (has "Deny" (.Values.policies.actions | default (list "Deny"))) }}
- policies.actions lacks Deny: the policies refuse nothing.
{{- end -}}
{{- range $list := list "names" "types" "keys" }}
{{- if not (index $values.policies.targets $list) }}
- policies.targets.{{ $list }} is empty.
{{- end -}}
{{- end -}}
{{- if and .Values.metrics.enabled (not .Values.metrics.secure) }}
- metrics.secure is false: every client that reaches the port reads the metrics.
{{- end -}}
{{- if .Values.profiling.enabled }}
- profiling.enabled is true: a person who may forward a port to the pod reads its memory profile.
{{- end -}}
{{- range .Values.extraArgs }}
{{- if regexMatch "^--?(require-tenant-ref|allowed-hosts|allowed-audiences|allow-private|allow-loopback|metrics-secure|pprof-bind-address|watch-namespaces)(=|$)" . }}
- extraArgs has {{ . }}, which wins over the values.
{{- end -}}
{{- end -}}
{{- end -}}

{{/* What the schema cannot say: values that do not fit each other. */}}
{{- define "egain-operator.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection.enabled) -}}
{{- fail "replicas is more than 1, but leaderElection.enabled is false: every replica would ask for tokens of its own. Turn it on, or run one." -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not .Values.metrics.enabled) -}}
{{- fail "serviceMonitor.enabled is true, but metrics.enabled is false: there is nothing to scrape. Turn metrics on." -}}
{{- end -}}
{{- if and .Values.metrics.enabled (eq (int .Values.metrics.port) (int .Values.health.port)) -}}
{{- fail "metrics.port and health.port are the same: change one of them." -}}
{{- end -}}
{{- if and .Values.serviceAccountTokens.enabled (not .Values.rbac.create) -}}
{{- fail "serviceAccountTokens.enabled is true, but rbac.create is false: allow create on serviceaccounts/token in the roles that you made, and leave it off here." -}}
{{- end -}}
{{- if and .Values.hardened (not .Values.allowedHosts) -}}
{{- fail "hardened is true, but allowedHosts is empty: list the hosts of your eGain, such as {*.egain.cloud}. Requests go to no others." -}}
{{- end -}}
{{- if and .Values.hardened .Values.allowLoopback -}}
{{- fail "hardened and allowLoopback are true: allowLoopback is for demos and tests. Turn one of them off." -}}
{{- end -}}
{{- if and (eq (include "egain-operator.policyEnabled" (list . "hosts")) "true") (not .Values.allowedHosts) -}}
{{- fail "policies.hosts.enabled is true, but allowedHosts is empty: list the hosts of your eGain, such as {*.egain.cloud}. The policy refuses all others." -}}
{{- end -}}
{{- if and (has "Deny" .Values.policies.actions) (has "Warn" .Values.policies.actions) -}}
{{- fail "policies.actions has Deny and Warn, which Kubernetes does not allow together: a write that is denied needs no warning. Remove one of them." -}}
{{- end -}}
{{- if and .Values.serviceAccountTokens.enabled (not .Values.serviceAccountTokens.audiences) -}}
{{- fail "serviceAccountTokens.enabled is true, but serviceAccountTokens.audiences is empty: list the audiences that are registered at eGain, such as {egain}. Tokens are minted for no others." -}}
{{- end -}}
{{- end -}}
