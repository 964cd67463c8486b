{{- define "metricd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for `-migrate`. */}}
{{- define "metricd.fullname" -}}
{{- $name := include "metricd.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 55 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 55 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 55 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What all pods of the release have, and other releases' do not. */}}
{{- define "metricd.releaseLabels" -}}
app.kubernetes.io/name: {{ include "metricd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What selects the servers: it can never be changed. */}}
{{- define "metricd.serverLabels" -}}
{{ include "metricd.releaseLabels" . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "metricd.versionLabel" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "metricd.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{/* Not empty where the settings name an issuer of tokens. */}}
{{- define "metricd.namesIssuer" -}}
{{- range list "METRICD_AUTH__ISSUERS" "USER_POOL_ID" "METRICD_COGNITO__USER_POOL_ID" }}
{{- if hasKey $.Values.settings . }}{{ . }}{{ end }}
{{- end }}
{{- end }}

{{/* Without an issuer no server would start: say so before anything is changed. */}}
{{- define "metricd.requireIssuer" -}}
{{- if not (or (include "metricd.namesIssuer" .) .Values.settingsConfigMap) }}
{{- fail "no issuer of tokens: give METRICD_AUTH__ISSUERS, or AWS_REGION, USER_POOL_ID and USER_POOL_CLIENT_ID, in settings, or name a ConfigMap that has them (settingsConfigMap)" }}
{{- end }}
{{- end }}

{{- define "metricd.environment" -}}
{{- with .Values.settingsConfigMap -}}
envFrom:
  - configMapRef:
      name: {{ . }}
      optional: true
{{ end -}}
env:
  - name: METRICD_LISTEN
    value: 0.0.0.0:8000
  - name: METRICD_SHUTDOWN__GRACE
    value: {{ printf "%vs" .Values.stop.graceSeconds }}
  {{- if .Values.metrics.enabled }}
  - name: METRICD_TELEMETRY__METRICS_LISTEN
    value: 0.0.0.0:{{ .Values.metrics.port }}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  - name: DATABASE_URL
    valueFrom:
      secretKeyRef:
        name: {{ .Values.secret.name }}
        key: {{ .Values.secret.databaseUrlKey }}
  {{- with .Values.secret.readerDatabaseUrlKey }}
  - name: READER_DATABASE_URL
    valueFrom:
      secretKeyRef:
        name: {{ $.Values.secret.name }}
        key: {{ . }}
  {{- end }}
  {{- range $name, $place := .Values.secretSettings }}
  - name: {{ $name }}
    valueFrom:
      secretKeyRef:
        name: {{ $place.name }}
        key: {{ $place.key }}
  {{- end }}
{{- end }}

{{- define "metricd.podSpec" -}}
serviceAccountName: {{ .Values.serviceAccountName }}
automountServiceAccountToken: false
# Addresses of Services would come as METRICD_… variables, which metricd takes for settings that it does not know.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "metricd.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end }}
