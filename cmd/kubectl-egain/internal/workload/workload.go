// Package workload knows which workloads use a Secret, and whether a change of the Secret reaches them. It is pure: it works
// on objects that were read.
package workload

import (
	"cmp"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// How is a way to use a Secret.
type How string

// Ways to use a Secret.
const (
	Volume    How = "volume"
	Projected How = "projected volume"
	SubPath   How = "subPath"
	Env       How = "env"
	EnvFrom   How = "envFrom"
)

// Follows reports whether a change of the Secret reaches a container that runs. The kubelet updates mounted files, but
// neither those that are mounted by subPath nor variables of the environment.
// See https://kubernetes.io/docs/concepts/configuration/secret/#mounted-secrets-are-updated-automatically.
func (h How) Follows() bool { return h == Volume || h == Projected }

// Use is how a container uses a Secret.
type Use struct {
	// Kind and Name are those of the workload, of the topmost that is known: a Deployment rather than its Pods.
	Kind, Name string
	Container  string
	How        How
	// Where is the path of the mount or the name of the variable; for EnvFrom, the prefix of the variables.
	Where string
}

// Of finds the uses of a Secret among Pods and the controllers of apps/v1 and batch/v1, all of the Secret's namespace,
// sorted by kind and name. What a controller and its Pods have in common is the controller's; Pods that have ended, Jobs that
// have finished and the ReplicaSets of earlier revisions count for nothing.
func Of(secret string, objects []client.Object) []Use {
	byUID := map[types.UID]client.Object{}
	for _, object := range objects {
		byUID[object.GetUID()] = object
	}
	var found []Use
	for _, object := range objects {
		above := map[Use]bool{}
		for owner := ownerOf(object, byUID); owner != nil; owner = ownerOf(owner, byUID) {
			for _, use := range usesOf(owner, secret) {
				above[use] = true
			}
		}
		for _, use := range usesOf(object, secret) {
			if !above[use] {
				use.Kind, use.Name = kindOf(object), object.GetName()
				found = append(found, use)
			}
		}
	}
	slices.SortFunc(found, func(a, b Use) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.Container, b.Container),
			strings.Compare(string(a.How), string(b.How)), strings.Compare(a.Where, b.Where))
	})
	return slices.Compact(found)
}

func ownerOf(object client.Object, byUID map[types.UID]client.Object) client.Object {
	owner := metav1.GetControllerOf(object)
	if owner == nil || owner.UID == object.GetUID() {
		return nil
	}
	return byUID[owner.UID]
}

// usesOf returns the uses of an object's Pods, not yet named after a workload.
func usesOf(object client.Object, secret string) []Use {
	spec := podSpec(object)
	if spec == nil {
		return nil
	}
	volumes := map[string]How{}
	for _, volume := range spec.Volumes {
		if how := volumeHow(&volume, secret); how != "" {
			volumes[volume.Name] = how
		}
	}
	var uses []Use
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		uses = append(uses, mountUses(&container, volumes)...)
		uses = append(uses, envUses(&container, secret)...)
	}
	return uses
}

func volumeHow(volume *corev1.Volume, secret string) How {
	switch {
	case volume.Secret != nil && volume.Secret.SecretName == secret:
		return Volume
	case volume.Projected != nil && slices.ContainsFunc(volume.Projected.Sources, func(source corev1.VolumeProjection) bool {
		return source.Secret != nil && source.Secret.Name == secret
	}):
		return Projected
	default:
		return ""
	}
}

func mountUses(container *corev1.Container, volumes map[string]How) []Use {
	var uses []Use
	for _, mount := range container.VolumeMounts {
		how := volumes[mount.Name]
		if how == "" {
			continue
		}
		if mount.SubPath != "" || mount.SubPathExpr != "" {
			how = SubPath
		}
		uses = append(uses, Use{Container: container.Name, How: how, Where: mount.MountPath})
	}
	return uses
}

func envUses(container *corev1.Container, secret string) []Use {
	var uses []Use
	for _, variable := range container.Env {
		if from := variable.ValueFrom; from != nil && from.SecretKeyRef != nil && from.SecretKeyRef.Name == secret {
			uses = append(uses, Use{Container: container.Name, How: Env, Where: variable.Name})
		}
	}
	for _, source := range container.EnvFrom {
		if source.SecretRef != nil && source.SecretRef.Name == secret {
			uses = append(uses, Use{Container: container.Name, How: EnvFrom, Where: source.Prefix})
		}
	}
	return uses
}

// podSpec is that of the Pods that an object makes, or is; nil if it makes none any more.
func podSpec(object client.Object) *corev1.PodSpec {
	switch o := object.(type) {
	case *corev1.Pod:
		if o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed {
			return nil
		}
		return &o.Spec
	case *appsv1.ReplicaSet:
		if o.Spec.Replicas != nil && *o.Spec.Replicas == 0 && metav1.GetControllerOf(o) != nil {
			return nil
		}
		return &o.Spec.Template.Spec
	case *batchv1.Job:
		if o.Status.CompletionTime != nil || failed(o) {
			return nil
		}
		return &o.Spec.Template.Spec
	default:
		return templateSpec(object)
	}
}

func templateSpec(object client.Object) *corev1.PodSpec {
	switch o := object.(type) {
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.Spec
	case *appsv1.DaemonSet:
		return &o.Spec.Template.Spec
	case *batchv1.CronJob:
		return &o.Spec.JobTemplate.Spec.Template.Spec
	default:
		return nil
	}
}

func failed(job *batchv1.Job) bool {
	return slices.ContainsFunc(job.Status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Type == batchv1.JobFailed && c.Status == corev1.ConditionTrue
	})
}

// kindOf does not rely on TypeMeta, which typed clients leave empty.
func kindOf(object client.Object) string {
	switch object.(type) {
	case *corev1.Pod:
		return "Pod"
	case *appsv1.ReplicaSet:
		return "ReplicaSet"
	case *appsv1.Deployment:
		return "Deployment"
	case *appsv1.StatefulSet:
		return "StatefulSet"
	case *appsv1.DaemonSet:
		return "DaemonSet"
	case *batchv1.Job:
		return "Job"
	case *batchv1.CronJob:
		return "CronJob"
	default:
		return object.GetObjectKind().GroupVersionKind().Kind
	}
}
