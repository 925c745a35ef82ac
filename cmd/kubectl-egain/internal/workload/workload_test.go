package workload

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const secret = "knowledge-token"

// named is the metadata of an object, with a controller if that has a name.
func named(name, controller string) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{Name: name, UID: types.UID(name)}
	if controller != "" {
		meta.OwnerReferences = []metav1.OwnerReference{{Name: controller, UID: types.UID(controller), Controller: new(true)}}
	}
	return meta
}

func ref(name string) corev1.LocalObjectReference { return corev1.LocalObjectReference{Name: name} }

func env(secretName string) corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Env: []corev1.EnvVar{
		{Name: "PLAIN", Value: "x"},
		{Name: "TOKEN", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: ref(secretName)}}},
	}}}}
}

func mounted(source corev1.VolumeSource, mounts ...corev1.VolumeMount) corev1.PodSpec {
	for i := range mounts {
		mounts[i].Name = "token"
	}
	return corev1.PodSpec{
		Volumes:        []corev1.Volume{{Name: "token", VolumeSource: source}, {Name: "other"}},
		Containers:     []corev1.Container{{Name: "app", VolumeMounts: append(mounts, corev1.VolumeMount{Name: "other", MountPath: "/other"})}},
		InitContainers: []corev1.Container{{Name: "init"}},
	}
}

func pod(spec corev1.PodSpec) client.Object {
	return &corev1.Pod{ObjectMeta: named("p", ""), Spec: spec}
}

func template(spec corev1.PodSpec) corev1.PodTemplateSpec { return corev1.PodTemplateSpec{Spec: spec} }

func TestOf(t *testing.T) {
	t.Parallel()
	volume := corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}
	projected := corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
		{ConfigMap: &corev1.ConfigMapProjection{}}, {Secret: &corev1.SecretProjection{LocalObjectReference: ref(secret)}},
	}}}
	deployment := &appsv1.Deployment{ObjectMeta: named("web", ""), Spec: appsv1.DeploymentSpec{Template: template(env(secret))}}
	replicas := func(name string, n int32) client.Object {
		return &appsv1.ReplicaSet{ObjectMeta: named(name, "web"), Spec: appsv1.ReplicaSetSpec{Replicas: &n, Template: template(env(secret))}}
	}
	tests := map[string]struct {
		objects []client.Object
		want    []Use
	}{
		"a volume":           {[]client.Object{pod(mounted(volume, corev1.VolumeMount{MountPath: "/token"}))}, []Use{{"Pod", "p", "app", Volume, "/token"}}},
		"a projected volume": {[]client.Object{pod(mounted(projected, corev1.VolumeMount{MountPath: "/token"}))}, []Use{{"Pod", "p", "app", Projected, "/token"}}},
		"a file of a volume, by subPath or subPathExpr, beside the whole of it": {
			[]client.Object{pod(mounted(volume, corev1.VolumeMount{MountPath: "/a", SubPath: "x"}, corev1.VolumeMount{MountPath: "/b", SubPathExpr: "$(X)"}, corev1.VolumeMount{MountPath: "/c"}))},
			[]Use{{"Pod", "p", "app", SubPath, "/a"}, {"Pod", "p", "app", SubPath, "/b"}, {"Pod", "p", "app", Volume, "/c"}},
		},
		"a volume that no container mounts": {[]client.Object{pod(mounted(volume))}, nil},
		"a variable":                        {[]client.Object{pod(env(secret))}, []Use{{"Pod", "p", "app", Env, "TOKEN"}}},
		"all variables": {[]client.Object{pod(corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", EnvFrom: []corev1.EnvFromSource{{ConfigMapRef: &corev1.ConfigMapEnvSource{}}, {Prefix: "EGAIN_", SecretRef: &corev1.SecretEnvSource{LocalObjectReference: ref(secret)}}},
		}}})}, []Use{{"Pod", "p", "app", EnvFrom, "EGAIN_"}}},
		"another Secret": {[]client.Object{pod(env("other")), pod(mounted(corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "other"}}, corev1.VolumeMount{MountPath: "/x"}))}, nil},
		"an init container": {
			[]client.Object{pod(corev1.PodSpec{InitContainers: env(secret).Containers})},
			[]Use{{"Pod", "p", "app", Env, "TOKEN"}},
		},
		"a Deployment speaks for its ReplicaSet and Pods, and earlier revisions for nothing": {
			[]client.Object{deployment, replicas("web-1", 0), replicas("web-2", 1), &corev1.Pod{ObjectMeta: named("web-2-x", "web-2"), Spec: env(secret)}},
			[]Use{{"Deployment", "web", "app", Env, "TOKEN"}},
		},
		"a Pod speaks for what was injected into it": {
			[]client.Object{
				&appsv1.Deployment{ObjectMeta: named("web", "")},
				&corev1.Pod{ObjectMeta: named("web-x", "web"), Spec: env(secret)},
			},
			[]Use{{"Pod", "web-x", "app", Env, "TOKEN"}},
		},
		"a Pod whose controller may not be read speaks for itself": {
			[]client.Object{&corev1.Pod{ObjectMeta: named("web-x", "web"), Spec: env(secret)}},
			[]Use{{"Pod", "web-x", "app", Env, "TOKEN"}},
		},
		"what has ended counts for nothing": {
			[]client.Object{
				&corev1.Pod{ObjectMeta: named("a", ""), Spec: env(secret), Status: corev1.PodStatus{Phase: corev1.PodSucceeded}},
				&corev1.Pod{ObjectMeta: named("b", ""), Spec: env(secret), Status: corev1.PodStatus{Phase: corev1.PodFailed}},
				&batchv1.Job{ObjectMeta: named("c", ""), Spec: batchv1.JobSpec{Template: template(env(secret))}, Status: batchv1.JobStatus{CompletionTime: &metav1.Time{}}},
				&batchv1.Job{ObjectMeta: named("d", ""), Spec: batchv1.JobSpec{Template: template(env(secret))}, Status: batchv1.JobStatus{
					Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}},
				}},
			}, nil,
		},
		"every kind, sorted": {
			[]client.Object{
				&appsv1.StatefulSet{ObjectMeta: named("s", ""), Spec: appsv1.StatefulSetSpec{Template: template(env(secret))}},
				&appsv1.ReplicaSet{ObjectMeta: named("r", ""), Spec: appsv1.ReplicaSetSpec{Template: template(env(secret))}},
				&appsv1.DaemonSet{ObjectMeta: named("d", ""), Spec: appsv1.DaemonSetSpec{Template: template(env(secret))}},
				&batchv1.Job{ObjectMeta: named("j", ""), Spec: batchv1.JobSpec{Template: template(env(secret))}},
				&batchv1.CronJob{ObjectMeta: named("c", ""), Spec: batchv1.CronJobSpec{JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template(env(secret))}}}},
			},
			[]Use{
				{"CronJob", "c", "app", Env, "TOKEN"},
				{"DaemonSet", "d", "app", Env, "TOKEN"},
				{"Job", "j", "app", Env, "TOKEN"},
				{"ReplicaSet", "r", "app", Env, "TOKEN"},
				{"StatefulSet", "s", "app", Env, "TOKEN"},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, Of(secret, test.objects)); diff != "" {
				t.Errorf("Of (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFollows(t *testing.T) {
	t.Parallel()
	for how, want := range map[How]bool{Volume: true, Projected: true, SubPath: false, Env: false, EnvFrom: false} {
		if got := how.Follows(); got != want {
			t.Errorf("%s.Follows() = %t, want %t", how, got, want)
		}
	}
}
