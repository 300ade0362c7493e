{{- /* What the pods of both components have in common. */ -}}
{{- define "spirula.image" -}}
image: "{{ .repository }}:{{ .tag }}"
imagePullPolicy: {{ .pullPolicy }}
{{- end -}}

{{- define "spirula.env" -}}
- name: POD_IP
  valueFrom:
    fieldRef:
      fieldPath: status.podIP
- name: NODE_ID
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
- name: DRIVER_NAME
  value: {{ .Values.driverName | quote }}
{{- end -}}

{{- define "spirula.config.mounts" -}}
- name: ceph-config
  mountPath: /etc/ceph/
- name: ceph-csi-config
  mountPath: /etc/ceph-csi-config/
- name: ceph-csi-encryption-kms-config
  mountPath: /etc/ceph-csi-encryption-kms-config/
{{- end -}}

{{- define "spirula.config.volumes" -}}
- name: ceph-config
  configMap:
    name: {{ .Values.cephConfConfigMapName | quote }}
- name: ceph-csi-config
  configMap:
    name: {{ .Values.configMapName | quote }}
    {{- with .Values.configMapKey }}
    items:
      - key: {{ . | quote }}
        path: config.json
    {{- end }}
- name: ceph-csi-encryption-kms-config
  configMap:
    name: {{ .Values.kmsConfigMapName | quote }}
    optional: true
{{- end -}}

{{- /* Flags of the driver in both roles: {root, part}. */ -}}
{{- define "spirula.flags" -}}
- --endpoint=$(CSI_ENDPOINT)
- --v={{ .root.Values.logLevel }}
- --drivername=$(DRIVER_NAME)
{{- with .root.Values.logSlowOperationInterval }}
- --logslowopinterval={{ . }}
{{- end }}
{{- with .root.Values.instanceID }}
- --instanceid={{ . }}
{{- end }}
{{- with .root.Values.radosNamespaceCephFS }}
- --radosnamespacecephfs={{ . }}
{{- end }}
{{- if .part.profiling.enabled }}
- --enableprofiling=true
{{- end }}
{{- if .root.Values.driverMetrics.enabled }}
- --metrics-listen=$(POD_IP):{{ include "spirula.driver.port" . }}
{{- end }}
{{- if and .root.Values.compact .part.httpMetrics.enabled }}
- --liveness
- --metricsport={{ .part.httpMetrics.containerPort }}
{{- end }}
{{- end -}}

{{- /* Where the driver shows its own metrics: {root, part}. */ -}}
{{- define "spirula.driver.port" -}}
{{- default .root.Values.driverMetrics.containerPort .part.driverMetricsPort -}}
{{- end -}}

{{- define "spirula.metrics.port" -}}
- name: http-metrics
  containerPort: {{ .httpMetrics.containerPort }}
{{- end -}}

{{- /* Ports of the driver's own container: {root, part}; nothing where it has none. */ -}}
{{- define "spirula.ports" -}}
{{- if and .root.Values.compact .part.httpMetrics.enabled }}
{{ include "spirula.metrics.port" .part }}
{{- end }}
{{- if .root.Values.driverMetrics.enabled }}
- name: driver-metrics
  containerPort: {{ include "spirula.driver.port" . }}
{{- end }}
{{- end -}}

{{- /* The container liveness-prometheus: {root, part, socket, securityContext}. */ -}}
{{- define "spirula.liveness" -}}
- name: liveness-prometheus
  {{- include "spirula.image" .root.Values.nodeplugin.plugin.image | nindent 2 }}
  args:
    - --type=liveness
    - --endpoint=$(CSI_ENDPOINT)
    - --metricsport={{ .part.httpMetrics.containerPort }}
    - --metricspath=/metrics
    - --polltime=60s
    - --timeout=3s
  env:
    - name: CSI_ENDPOINT
      value: unix:///csi/{{ .socket }}
    - name: POD_IP
      valueFrom:
        fieldRef:
          fieldPath: status.podIP
  ports:
    {{- include "spirula.metrics.port" .part | nindent 4 }}
  securityContext:
    {{- toYaml .securityContext | nindent 4 }}
  volumeMounts:
    - name: socket-dir
      mountPath: /csi
  {{- with .root.Values.nodeplugin.plugin.resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{- /* A Service for the metrics of a component: {root, part, name}. */ -}}
{{- define "spirula.metrics.service" -}}
{{- $service := .part.httpMetrics.service -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}-http-metrics
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "spirula.labels" (dict "root" .root "component" .part.name) | nindent 4 }}
  {{- with $service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $service.type }}
  {{- with $service.clusterIP }}
  clusterIP: {{ . | quote }}
  {{- end }}
  {{- with $service.externalIPs }}
  externalIPs:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $service.loadBalancerIP }}
  loadBalancerIP: {{ . | quote }}
  {{- end }}
  {{- with $service.loadBalancerSourceRanges }}
  loadBalancerSourceRanges:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    {{- include "spirula.selector" (dict "root" .root "component" .part.name) | nindent 4 }}
  ports:
    - name: http-metrics
      port: {{ $service.servicePort }}
      protocol: TCP
      targetPort: {{ .part.httpMetrics.containerPort }}
{{- end -}}
