{{- /* Metadata of a class: {root, class}. */ -}}
{{- define "spirula.class.metadata" -}}
name: {{ .class.name }}
labels:
  {{- include "spirula.labels" (dict "root" .root) | nindent 2 }}
  {{- with .class.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .class.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* The two parameters that name a Secret: {root, purpose, name, namespace}. */ -}}
{{- define "spirula.class.secret" -}}
csi.storage.k8s.io/{{ .purpose }}-secret-name: {{ .name | quote }}
csi.storage.k8s.io/{{ .purpose }}-secret-namespace: {{ default .root.Release.Namespace .namespace | quote }}
{{- end -}}
