{{/* One name: Helm lets one release a cluster have the cluster-wide objects anyway. */}}
{{- define "stargate.name" -}}stargate-operator{{- end }}

{{- define "stargate.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "stargate.name" .) }}
{{- end }}

{{/* The ServiceAccount's user name at the API server. */}}
{{- define "stargate.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "stargate.serviceAccount" . }}
{{- end }}

{{/* The roles' subject, and the flow schema's. */}}
{{- define "stargate.subject" -}}
kind: ServiceAccount
name: {{ include "stargate.serviceAccount" . | quote }}
namespace: {{ .Release.Namespace | quote }}
{{- end }}

{{- define "stargate.certificateSecret" -}}
{{- .Values.certificate.existingSecret | default (printf "%s-tls" (include "stargate.name" .)) }}
{{- end }}

{{/* The name by which workers reach the report server. */}}
{{- define "stargate.reportsHost" -}}
{{ include "stargate.name" . }}-reports.{{ .Release.Namespace }}.svc
{{- end }}

{{/* The names that its certificate is for, as JSON. */}}
{{- define "stargate.reportsNames" -}}
{{- $host := include "stargate.reportsHost" . }}
{{- list $host (trimSuffix ".svc" $host) (printf "%s.cluster.local" $host) | toJson }}
{{- end }}

{{- define "stargate.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "stargate.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Settings of every pod of this chart, as the restricted Pod Security level requires. */}}
{{- define "stargate.podSecurity" -}}
runAsNonRoot: true
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "stargate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "stargate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "stargate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "stargate.labels" -}}
{{ include "stargate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
