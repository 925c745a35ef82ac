{{/* What the operator may do where it works: in the whole cluster, or in each of watchNamespaces. */}}
{{- define "egain-operator.namespacedRules" -}}
# list and watch fill the cache; patch sets and removes the finalizer of those that need work when they are deleted.
- apiGroups: [auth.egain.com]
  resources: [egainclients]
  verbs: [list, patch, watch]
# Reports conditions, expiry and failures.
- apiGroups: [auth.egain.com]
  resources: [egainclients/status]
  verbs: [patch]
# get reads credentials, subject tokens, CA bundles and targets, live. list and watch, of metadata only, wake the operator
# when one of them changes; they cannot be limited by resourceNames, since they ask for all Secrets. create and patch are
# what a server-side apply of a target takes. delete removes a target that was renamed, or that must be replaced since its
# type or immutability is final.
- apiGroups: [""]
  resources: [secrets]
  {{- if .Values.rbac.secretNames }}
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [secrets]
  resourceNames:
    {{- toYaml .Values.rbac.secretNames | nindent 2 }}
  verbs: [create, delete, patch]
  {{- else }}
  verbs: [create, delete, get, list, patch, watch]
  {{- end }}
# CA bundles: get reads one, list and watch tell when it changes.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
# Events on EgainClients: create for a new one, patch to count one that comes again.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/* The TokenRequest API: a short-lived token for the audience that an EgainClient names, one per exchange. */}}
{{- define "egain-operator.serviceAccountTokenRules" -}}
- apiGroups: [""]
  resources: [serviceaccounts/token]
  {{- with .Values.serviceAccountTokens.names }}
  resourceNames:
    {{- toYaml . | nindent 2 }}
  {{- end }}
  verbs: [create]
{{- end -}}

{{- define "egain-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "egain-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
