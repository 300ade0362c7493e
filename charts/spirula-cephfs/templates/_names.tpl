{{- /*
Names, by the rules of ceph-csi's chart: labels and selectors too begin with its name and not with ours, because
selectors cannot change, and a release of it shall become one of this chart and back.
*/ -}}
{{- define "spirula.name" -}}
{{- default "ceph-csi-cephfs" .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "spirula.prefix" -}}
{{- $name := include "spirula.name" . -}}
{{- if contains $name .Release.Name -}}{{ .Release.Name }}{{- else -}}{{ .Release.Name }}-{{ $name }}{{- end -}}
{{- end -}}

{{- define "spirula.fullname" -}}
{{- default (include "spirula.prefix" .) .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "spirula.nodeplugin" -}}
{{- default (printf "%s-%s" (include "spirula.prefix" .) .Values.nodeplugin.name) .Values.nodeplugin.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "spirula.provisioner" -}}
{{- default (printf "%s-%s" (include "spirula.prefix" .) .Values.provisioner.name) .Values.provisioner.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "spirula.account.nodeplugin" -}}
{{- $account := .Values.serviceAccounts.nodeplugin -}}
{{- default (ternary (include "spirula.nodeplugin" .) "default" $account.create) $account.name -}}
{{- end -}}

{{- define "spirula.account.provisioner" -}}
{{- $account := .Values.serviceAccounts.provisioner -}}
{{- default (ternary (include "spirula.provisioner" .) "default" $account.create) $account.name -}}
{{- end -}}

{{- /* Labels of an object: {root, component}; component may be missing. */ -}}
{{- define "spirula.labels" -}}
app: {{ include "spirula.name" .root }}
chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .component }}
component: {{ . }}
{{- end }}
release: {{ .root.Release.Name }}
heritage: {{ .root.Release.Service }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "spirula.selector" -}}
app: {{ include "spirula.name" .root }}
component: {{ .component }}
release: {{ .root.Release.Name }}
{{- end -}}

{{- /* Labels of pods: without the chart's version, so that a new one does not restart pods that stay the same. */ -}}
{{- define "spirula.podlabels" -}}
{{ include "spirula.selector" . }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}
