{{/* One name: Helm lets one release a cluster have the cluster-wide objects anyway. */}}
{{- define "stargate.name" -}}stargate-operator{{- end }}

{{- define "stargate.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "stargate.name" .) }}
{{- end }}

{{- define "stargate.certificateSecret" -}}
{{- .Values.certificate.existingSecret | default (printf "%s-tls" (include "stargate.name" .)) }}
{{- end }}

{{- define "stargate.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "stargate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "stargate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "stargate.labels" -}}
{{ include "stargate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}
