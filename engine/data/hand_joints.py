"""The 14 joints that hands are judged by, and where they are among the 36 of the NYU set.

Tompson et al. 2014 name the 36 after the bounding spheres of their hand model (F1 is the little
finger, KNU3_A a tip); their own predictions (`conv_joint_names` of test_predictions.mat) are of 14:
tips (KNU3_A) and middle joints (KNU2_B) of the fingers, three of the thumb, three of the palm. The
order here is that of the field since DeepPrior (Oberweger et al. 2015, `restrictedJointsEval`).
"""

JOINTS = (
    "pinky tip", "pinky middle", "ring tip", "ring middle", "middle tip", "middle middle",
    "index tip", "index middle", "thumb tip", "thumb middle", "thumb root",
    "wrist, pinky side", "wrist, thumb side", "palm",
)  # fmt: skip
# F1_KNU3_A, F1_KNU2_B, F2_..., F4_KNU2_B, TH_KNU3_A, TH_KNU3_B, TH_KNU2_B, PALM_1, PALM_2, PALM_3
OF_NYU = (0, 3, 6, 9, 12, 15, 18, 21, 24, 25, 27, 30, 31, 32)
ALL_OF_NYU = 36
